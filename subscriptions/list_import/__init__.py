"""Lists of readers from other programs: any file of addresses becomes readers, records of leaving, and suppressions.

In: the file as it is. `encodings` and `table` read it; `columns`, `dates`, `states` and `tags` tell what is in it;
`reading_plan` joins that with a person's answers, and asks what is left. Out: `entries` reads each line, `store` writes
it, `import_file` does both batch by batch.
"""
