def test_a_fresh_store_has_every_migration_and_takes_writes(store):
    store.check_writable()
    assert store.schema_current()
