"""The command line: words in, an operation, its result out. What a verb needs is imported when the verb runs."""
