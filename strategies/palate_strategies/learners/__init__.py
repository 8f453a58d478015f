"""The training halves of the built-in model strategies. They need the training extra; the server never imports them."""
