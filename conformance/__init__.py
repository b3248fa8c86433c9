"""The conformance suite of CNI plugins: any executable, clause by clause."""
