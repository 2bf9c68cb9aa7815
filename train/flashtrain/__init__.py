"""Training of convolutional networks whose only activation is x*x + x."""
