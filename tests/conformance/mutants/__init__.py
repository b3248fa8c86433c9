"""Who judges the judge: a right plugin that passes every case, and mutants that fail the cases which name their fault.

mutants.json: {"mutants": [{
  "id", "fault": in a sentence,
  "replacements": [{"old": a text that is once in the files of right/, "new"}],
  "versions": those that it is judged at; ["1.1.0"] if absent,
  "failed by": the cases that it fails, at one of these versions or several; of the areas concurrency, killed and fuzz
    only for a fault that no other area would find
}]}
`python -m tests.conformance.mutants` judges all of them, and prints what differs from `failed by`.
"""
