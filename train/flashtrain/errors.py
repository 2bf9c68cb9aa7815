"""What a user can put right is said in a sentence."""


class UserError(Exception):
    """Something in the arguments, the files or the settings; the message says what. Commands print it without a traceback."""
