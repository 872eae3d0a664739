"""The steps of the wizard, one file each; `order.py` lists them."""
