"""Arrays and datasets of xarray's.

xarray itself is not imported: whoever hands over its arrays has it.
"""
