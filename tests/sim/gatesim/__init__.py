"""The simulated cluster: a Kubernetes API, its controllers and load balancers in one process.

Everything runs in one thread on one clock. Objects in the store are never changed in place: a
change is a new object, so lists, watches and old pages can share them without copying.
"""
