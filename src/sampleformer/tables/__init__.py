"""Tables: CSV, TSV, JSONL and Parquet files, values of their columns, and reports of what is wrong in them."""
