"""Records in columnar form: types, roles, inference. Pure."""
