# schedule.mk - the tests, room by room in floor order; a file that is not listed
# here fails "make lint".  Each regress file (sql/NAME.sql, expected/NAME.out) and
# each spec (test/isolation/specs/NAME.spec) runs in a database of its own with the
# extension in it; TAP files start their own servers.

# base
REGRESS += base_install
TAP += test/t/001_preload.pl
TAP += test/t/010_newcomer.pl

# crypto
REGRESS += crypto_vectors

# vocab
REGRESS += vocab_categories
REGRESS += vocab_purposes
ISOLATION += vocab_fresh
ISOLATION += vocab_race

# keys
REGRESS += keys_domains
ISOLATION += keys_rotation
TAP += test/t/200_keys_provider.pl
TAP += test/t/210_keys_rotation.pl
TAP += test/t/220_keys_runbooks.pl
TAP += test/t/230_keys_secrets.pl

# protect
REGRESS += protect_tables
ISOLATION += protect_apart
ISOLATION += protect_race

# uses
REGRESS += uses_binding
REGRESS += uses_lifecycle
ISOLATION += uses_suspended

# consent
REGRESS += consent_decide
REGRESS += consent_record
REGRESS += consent_rows
ISOLATION += consent_index
ISOLATION += consent_map
TAP += test/t/030_consent_fhir.pl
TAP += test/t/031_consent_model.pl
TAP += test/t/032_consent_map.pl

# pseudonym
REGRESS += pseudonym_attack
REGRESS += pseudonym_compare
REGRESS += pseudonym_forgotten
REGRESS += pseudonym_masks
REGRESS += pseudonym_recorded
REGRESS += pseudonym_sealed
REGRESS += pseudonym_type
REGRESS += pseudonym_values
TAP += test/t/240_pseudonym_fixed.pl
TAP += test/t/241_pseudonym_cancelled.pl

# ledger
REGRESS += ledger_disclosures
REGRESS += ledger_events
REGRESS += ledger_subjects
TAP += test/t/300_ledger_tamper.pl
TAP += test/t/301_ledger_crash.pl
TAP += test/t/302_ledger_standby.pl
TAP += test/t/303_ledger_fhir.pl
TAP += test/t/304_ledger_adopt.pl
TAP += test/t/305_logical_replication.pl
TAP += test/t/306_disk_full.pl

# breakglass
REGRESS += breakglass_events
TAP += test/t/310_breakglass.pl
TAP += test/t/311_clock.pl
TAP += test/t/312_breakglass_attack.pl

# anonymity
REGRESS += anonymity_measures
REGRESS += anonymity_anonymize
REGRESS += anonymity_protected
REGRESS += anonymity_aggregate
REGRESS += anonymity_noise
REGRESS += anonymity_private
REGRESS += anonymity_guard
REGRESS += anonymity_shapes
TAP += test/t/070_anonymity_adult.pl
TAP += test/t/071_anonymity_guard.pl
TAP += test/t/072_private.pl
TAP += test/t/073_guard_attacks.pl

# decision
REGRESS += decision_derivations
REGRESS += decision_functions

# lineage
REGRESS += lineage_graph
ISOLATION += lineage_race
REGRESS += lineage_taints
ISOLATION += lineage_taint
TAP += test/t/345_lineage_nodes.pl

# enforce
REGRESS += enforce_replay
TAP += test/t/340_parallel.pl
REGRESS += enforce_cells
REGRESS += enforce_context
REGRESS += enforce_equivalence
REGRESS += enforce_labels
REGRESS += enforce_ledger
REGRESS += enforce_owed
REGRESS += enforce_paths
REGRESS += enforce_provenance
REGRESS += enforce_provenance_attack
REGRESS += enforce_purpose
REGRESS += enforce_rows
REGRESS += enforce_scoring
REGRESS += enforce_scoring_attack
REGRESS += enforce_told
REGRESS += enforce_writes

# operations
REGRESS += operations_policy
REGRESS += operations_simulate
REGRESS += operations_status

# hooks

# the whole
TAP += test/t/400_model.pl
TAP += test/t/410_real_data.pl
TAP += test/t/420_hl7_example.pl
TAP += test/t/430_documentation.pl
TAP += test/t/440_dump_restore.pl
TAP += test/t/441_restore_moments.pl
TAP += test/t/500_operations.pl
TAP += test/t/510_upgrade.pl
TAP += test/t/520_report.pl
TAP += test/t/600_attack.pl
TAP += test/t/605_works.pl
TAP += test/t/610_fails_closed.pl
TAP += test/t/620_neighbours.pl
TAP += test/t/630_portals.pl
