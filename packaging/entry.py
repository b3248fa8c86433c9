"""What the frozen program runs."""

from cni_veth.__main__ import main

raise SystemExit(main())
