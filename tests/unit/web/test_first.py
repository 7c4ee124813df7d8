def test_create_and_read(api):
    """What is created can be read, by its own tenant alone."""
    created = api.project()
    assert api.get(f"/projects/{created['id']}").json() == created
    assert api.get(f"/projects/{created['id']}", tenant="globex").status_code == 404
