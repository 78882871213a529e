"""Operating points: schema, strict readers and writers, derived columns, suspicious rows, importers."""
