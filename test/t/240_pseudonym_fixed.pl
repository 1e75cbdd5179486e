# Values are the same byte for byte on every PostgreSQL version, machine and build, and
# stay so through dump and restore, both kinds of replication and pg_upgrade.
#
# The expected values were computed apart from this code, from the layout that
# doc/pseudonyms.md gives, with another cryptographic library.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;
use TwinPrivacy::Cluster;

my $node = TwinPrivacy::Cluster->new_node('fixed', start => 0, init => [ allows_streaming => 'logical' ]);
my $key_file = $node->basedir . '/fixed.key';
append_to_file($key_file, join('', map { sprintf '%02x', $_ } 0 .. 31) . "\n");
chmod 0600, $key_file;
my $conf = "twin_privacy.master_key_file = '$key_file'\nwal_level = logical\n";
$node->append_conf('postgresql.conf', $conf);
$node->start;

# Creates a database whose domain FIXED has the known key, and its use.
sub known_database
{
	my ($name, $disclosure) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $name");
	$node->safe_psql($name, q{CREATE EXTENSION twin_privacy CASCADE});
	$node->safe_psql($name, q{
		SET twin_privacy.maintenance = on;
		INSERT INTO twin_privacy_internal.pseudonym_domain (domain_id, name) VALUES (1921739009, 'FIXED');
		INSERT INTO twin_privacy_internal.pseudonym_key (domain_id, version, wrapped, master_id) VALUES (1921739009, 1,
			'\xc059e40cedc015228a87de0ca2e5ee6b4b1c73dcadc5a487ac279475ae737bc351fb7652af45bfa7', '\xabe1a4b8094b9605')});
	$node->safe_psql($name, qq{SELECT twin_privacy.propose_use('FIXED', purpose => 'TREAT', recipient => 'hospital',
		categories => '{demographics}', disclosure => '$disclosure', basis => 'legal_obligation')}, extra_params => [ '-U', 'one' ]);
	$node->safe_psql($name, q{SELECT twin_privacy.approve_use('FIXED'), twin_privacy.grant_use('FIXED', 'nurse')},
		extra_params => [ '-U', 'two' ]);
	return;
}

$node->safe_psql('postgres', q{CREATE EXTENSION twin_privacy CASCADE;
	CREATE ROLE one LOGIN IN ROLE twin_privacy_officer;
	CREATE ROLE two LOGIN IN ROLE twin_privacy_officer;
	CREATE ROLE nurse LOGIN});
known_database('known', 'identified');
known_database('masks', 'pseudonymised');

my @values = (
	[ q{twin_privacy.pseudonymize('FIXED', 17::smallint)}, '0WMBD40G0080YGGPBWG85NZ5CPGQV9BN9BEYG' ],
	[ q{twin_privacy.pseudonymize('FIXED', 17::bigint)}, '0WMBD40G0080YGGPBWG85NZ5CPGQV9BN9BEYG' ],
	[ q{twin_privacy.pseudonymize('FIXED', U&'M\00FCller')}, '0WMBD40G00F4QAE5P15RJBMQC3Q3EDZ76ZCJ7' ],
	[ q{twin_privacy.pseudonymize('FIXED', '00112233-4455-6677-8899-aabbccddeeff'::uuid)}, '0WMBD40G009JCFS311FQ9HT2RGEYJ9QZAKHX7' ],
	[ q{twin_privacy.pseudonymize('FIXED', date '2000-01-01' + 9532)}, '0WMBD40G00AYM25360CVSRCHBSAQ1MMXER6CD' ],
	[ q{twin_privacy.seal('FIXED', 'geheim')}, '728b69010001ff91a739ad3718f2e3282825f9a2cf8667ca08a2c4850f' ],
	[ q{twin_privacy.unseal('728b69010001ff91a739ad3718f2e3282825f9a2cf8667ca08a2c4850f')}, 'geheim' ],
	[ q{twin_privacy.fpe_encrypt('FIXED', '0301234567', 'digits', 'phone')}, '3993697440' ],
	[ q{twin_privacy.fpe_decrypt('FIXED', '3993697440', 'digits', 'phone')}, '0301234567' ],
	[ q{twin_privacy.shift_date('FIXED', 17, date '2020-01-01') - date '2020-01-01'}, '44' ]);

# Compares every value on a server.
sub check_values
{
	my ($server, $database, $where) = @_;
	my @got = map {
		$server->safe_psql($database, "SET twin_privacy.use = 'FIXED'; SELECT $_->[0]", extra_params => [ '-U', 'nurse' ])
	} @values;
	is_deeply(\@got, [ map { $_->[1] } @values ], $where);
	return;
}
check_values($node, 'known', 'values are as computed apart');

$node->safe_psql('masks', q{
	CREATE TABLE person (id int PRIMARY KEY, small smallint, big bigint, far bigint, negative int, name text, ref uuid);
	INSERT INTO person VALUES (17, 17, 17, 17000000000, -5, U&'M\00FCller', '00112233-4455-6677-8899-aabbccddeeff');
	SELECT twin_privacy.protect_table('person', subject => 'id', category => 'demographics');
	SELECT twin_privacy.label_column('person', c, 'kind=identifier, mask=pseudonym') FROM unnest('{small,big,far,negative,name,ref}'::name[]) c;
	GRANT SELECT ON person TO nurse});
is($node->safe_psql('masks', q{SET twin_privacy.use = 'FIXED'; SELECT * FROM person}, extra_params => [ '-U', 'nurse' ]),
	'-797784269|-13682|-797784269|-6567614851013460370|-1960483290|0WMBD40G00F4QAE5P15RJBMQC3Q3EDZ76ZCJ7|3263f230-85f7-8c74-ac41-de926ff54e3d',
	'masks are as computed apart');

# A table of values, and a digest of its bytes in binary format.
$node->safe_psql('known', q{
	CREATE TABLE stored (i int PRIMARY KEY, p twin_privacy.pseudonym('FIXED') UNIQUE, s twin_privacy.sealed UNIQUE);
	CREATE TABLE referring (p twin_privacy.pseudonym('FIXED') REFERENCES stored (p));
	CREATE INDEX ON stored USING hash (p)});
$node->safe_psql('known', q{INSERT INTO stored
	SELECT i, twin_privacy.pseudonymize('FIXED', i), twin_privacy.seal('FIXED', 'text ' || i) FROM generate_series(1, 1000) i});
$node->safe_psql('known', 'INSERT INTO referring SELECT p FROM stored WHERE i % 2 = 0');
my $digest = q{SELECT md5(string_agg(i || encode(twin_privacy.pseudonym_send(p) || twin_privacy.sealed_send(s), 'hex'), ',' ORDER BY i)) FROM stored};
my $lookup = q{SET enable_seqscan = off; SELECT count(*) FROM stored JOIN referring USING (p)};
my $original = $node->safe_psql('known', $digest);

# Compares the stored values, and that their indexes find them.
sub check_stored
{
	my ($server, $database, $where) = @_;
	is($server->safe_psql($database, $digest), $original, "$where keeps the bytes");
	is($server->safe_psql($database, $lookup), '500', "$where keeps the indexes");
	return;
}

# COPY BINARY
$node->safe_psql('known', "COPY stored TO '$key_file.copy' (FORMAT binary);
	CREATE TABLE copied (LIKE stored); COPY copied FROM '$key_file.copy' (FORMAT binary)");
is($node->safe_psql('known', 'SELECT count(*) FROM stored s JOIN copied c ON s.p = c.p AND s.s = c.s AND s.i = c.i'), '1000', 'COPY BINARY keeps values');
$node->safe_psql('known', 'DROP TABLE copied');

# dump and restore: the columns' types are made before the domains are
{
	local $ENV{PGOPTIONS} = '-c twin_privacy.maintenance=on';
	$node->command_ok([ 'pg_dump', '-Fc', '-f', "$key_file.dump", $node->connstr('known') ], 'dumped');
	$node->safe_psql('postgres', 'CREATE DATABASE restored');
	$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr('restored'), "$key_file.dump" ], 'restored');
}
check_stored($node, 'restored', 'a restore');
check_values($node, 'restored', 'a restored database computes the same');
is($node->safe_psql('restored', q{SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'stored'::regclass AND attname = 'p'}),
	q{twin_privacy.pseudonym('FIXED')}, 'the column names its domain again');

# physical replication
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
check_stored($standby, 'known', 'a standby');
check_values($standby, 'known', 'a standby computes the same');
$standby->stop;

# logical replication, in binary, to a database that has not even the domain
$node->safe_psql('postgres', 'CREATE DATABASE subscriber');
$node->safe_psql('subscriber', q{CREATE EXTENSION twin_privacy CASCADE;
	CREATE TABLE stored (i int PRIMARY KEY, p twin_privacy.pseudonym('FIXED') UNIQUE, s twin_privacy.sealed UNIQUE);
	CREATE TABLE referring (p twin_privacy.pseudonym('FIXED'))});
$node->safe_psql('known', q{CREATE PUBLICATION pub FOR TABLE stored, referring; SELECT pg_create_logical_replication_slot('sub', 'pgoutput')});
(my $connection = $node->connstr('known')) =~ s/'/''/g;
$node->safe_psql('subscriber', "CREATE SUBSCRIPTION sub CONNECTION '$connection' PUBLICATION pub WITH (create_slot = false, slot_name = 'sub', binary = true)");
$node->poll_query_until('subscriber', q{SELECT count(*) = 500 FROM referring});
$node->poll_query_until('subscriber', q{SELECT count(*) = 1000 FROM stored});
check_stored($node, 'subscriber', 'a subscriber');
$node->safe_psql('subscriber', 'DROP SUBSCRIPTION sub');

# pg_upgrade carries types, operators and values; databases that are in the way go first
$node->safe_psql('postgres', "DROP DATABASE $_") for qw(restored subscriber);
$node->stop;
my $new = TwinPrivacy::Cluster->new_node('upgraded', start => 0);
$new->append_conf('postgresql.conf', $conf);
my ($bin) = grep { -x "$_/pg_upgrade" } split /:/, $ENV{PATH};
{
	local $ENV{PGOPTIONS} = '-c twin_privacy.maintenance=on';
	chdir $new->basedir or die;
	my ($out, $err) = run_command(
		[ 'pg_upgrade', '--no-sync', '-d', $node->data_dir, '-D', $new->data_dir, '-b', $bin, '-B', $bin,
			'-s', $new->host, '-p', $node->port, '-P', $new->port ]);
	like($out, qr/Upgrade Complete/, 'pg_upgrade')
	  or diag(map { substr slurp_file($_), -3000 } glob $new->data_dir . '/pg_upgrade_output.d/*/log/pg_upgrade_dump_*.log');
}
$new->start;
check_stored($new, 'known', 'an upgrade');
check_values($new, 'known', 'an upgraded server computes the same');
is($new->safe_psql('masks', q{SET twin_privacy.use = 'FIXED'; SELECT id, ref FROM person}, extra_params => [ '-U', 'nurse' ]),
	'-797784269|3263f230-85f7-8c74-ac41-de926ff54e3d', 'and masks the same');

$new->stop;
done_testing();
