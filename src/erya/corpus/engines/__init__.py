"""Where the stages run: processes of this machine, or a Ray cluster."""
