"""Master data: tables read, compared and kept by their owners, and the catalogue that finds an item by its numbers."""
