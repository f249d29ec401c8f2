"""How the command line is read: the options of each command; nothing heavy."""
