"""The result document itself, as results.read takes it."""

import json
from collections.abc import Sequence

from conformance.results import Document


def render(documents: Sequence[Document]) -> str:
    """The JSON text of the one document."""
    (document,) = documents
    return json.dumps(document, indent=1) + "\n"
