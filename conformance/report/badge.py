"""A badge: the newest specification version judged, and how many of the judged MUSTs hold. SVG, no fonts to load."""

from collections.abc import Sequence
from html import escape

from conformance.report import held, judged_versions, tally
from conformance.results import Document

GREEN, RED, AMBER, GREY = "#2e7d32", "#c62828", "#9a6700", "#6a6a6a"
WIDTH = 6.6  # of a character of the 11 px font, taken as the text's length whatever font the viewer has

TEMPLATE = """\
<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="20" role="img" aria-label="{left}: {right}">
<title>{left}: {right}</title>
<clipPath id="r"><rect width="{width:.0f}" height="20" rx="3"/></clipPath>
<g clip-path="url(#r)"><rect width="{a:.0f}" height="20" fill="#444"/>
<rect x="{a:.0f}" width="{b:.0f}" height="20" fill="{colour}"/></g>
<g fill="#fff" text-anchor="middle" font-family="Verdana,Geneva,DejaVu Sans,sans-serif" font-size="11">
<text x="{x1:.1f}" y="14" textLength="{t1:.1f}" lengthAdjust="spacingAndGlyphs">{left}</text>
<text x="{x2:.1f}" y="14" textLength="{t2:.1f}" lengthAdjust="spacingAndGlyphs">{right}</text></g>
</svg>
"""


def render(documents: Sequence[Document]) -> str:
    """The SVG of the one document: green all hold, red one failed, amber one is waived or broken, grey none judged."""
    (document,) = documents
    good, judged = held(document, "must")
    left = " ".join(["CNI", *judged_versions(document)[-1:]])
    right = f"{good}/{judged} MUST" if judged else "not judged"
    colour = GREY if not judged else RED if tally(document, "must")["fail"] else GREEN if good == judged else AMBER
    t1, t2 = len(left) * WIDTH, len(right) * WIDTH
    a, b = round(t1 + 12), round(t2 + 12)
    return TEMPLATE.format(
        width=a + b, a=a, b=b, colour=colour, left=escape(left), right=escape(right),
        x1=a / 2, x2=a + b / 2, t1=t1, t2=t2,
    )  # fmt: skip
