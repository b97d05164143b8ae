import polars as pl
messages = pl.read_ndjson("messages.jsonl", infer_schema_length=None).with_columns(latency_s=pl.col("delivered_s") - pl.col("written_s"))
print(messages.group_by("from").agg(pl.len(), p99_s=pl.col("latency_s").quantile(0.99)).sort("from"))
receipts = pl.read_ndjson("envelopes.jsonl", infer_schema_length=None)  # of a simulation; else the file is empty
print(receipts.group_by("hops").agg(pl.len(), median_s=pl.col("age_s").median()).sort("hops"))
