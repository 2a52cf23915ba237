"""Tables and argument checks that the command-line tools share."""
