-- What everybody needs: the names. What they may do is checked inside.
GRANT USAGE ON SCHEMA twin_privacy TO PUBLIC;
