"""The airline over HTTP, for everybody who uses it from outside: the command line, the demos, the tests of both."""
