"""Takes the place of pyroute2's __init__ in the frozen program, which holds only its message codecs.

The real one imports asyncio, NDB and all the rest: 155 ms of start-up and 10 MB.
"""
