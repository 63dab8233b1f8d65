"""Pictures of what noise did, drawn with matplotlib (`pip install noisify-cli[plots]`).

`samples` reads what a picture shows, `page` lays panels out, the other files draw one kind each.
"""
