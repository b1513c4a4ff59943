"""What an operator asks and does at a command line, through the catalog and the servers."""
