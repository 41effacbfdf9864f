"""Models: the parts of `erya.nn` put together by a configuration."""
