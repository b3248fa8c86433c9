"""`make bench`: what a call costs, beside the reference plugins, pair by pair in one run.

Each contender has a node of its own, with pods made beforehand. In every round each has its turn, in
alternating order (A B C, C B A ...), so that a busy moment of the machine hits all alike. A time is from the
start of the process to its end as the caller sees it: posix_spawn(3) to wait4(2), files for stdin and stdout.
A program, not a test: it says which bars hold, it fails for them only with --check.
"""
