"""The command line: one thin file per verb, results on stdout, everything else on stderr."""
