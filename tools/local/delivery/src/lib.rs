//! Event delivery as AWS does it: at least once, retries, dead letters, partial batches.
