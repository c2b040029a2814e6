"""One module for each half of a change; the SQL lies beside this folder, one file for each database."""
