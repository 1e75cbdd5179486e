# What an aggregate-only use released is remembered: through crashes, up to a
# size, in the face of damage; sessions that ask at once are judged one after
# the other; a standby releases nothing.
use strict;
use warnings FATAL => 'all';

use IPC::Run qw(start finish);
use PostgreSQL::Test::Utils;
use Test::More;
use TwinPrivacy::Cluster;

my $node = TwinPrivacy::Cluster->new_node('guard', init => [ allows_streaming => 1 ], conf => q{
	min_parallel_table_scan_size = 0
	parallel_setup_cost = 0
	parallel_tuple_cost = 0});
$node->safe_psql('postgres', q{
	CREATE ROLE one LOGIN IN ROLE twin_privacy_officer, twin_privacy_registrar;
	CREATE ROLE two LOGIN IN ROLE twin_privacy_officer;
	CREATE ROLE analyst LOGIN;
	CREATE TABLE obs (id int PRIMARY KEY, patient_id int NOT NULL, day int NOT NULL, value float8 NOT NULL);
	INSERT INTO obs SELECT i, 1 + i % 200, i / 200, i % 89 FROM generate_series(0, 19999) AS i;
	VACUUM ANALYZE obs;
	GRANT SELECT ON obs TO analyst;
	SELECT twin_privacy.protect_table('obs', 'patient_id', 'laboratory');
	SET SESSION AUTHORIZATION one;
	SELECT twin_privacy.propose_use('U' || i, purpose => 'HRESCH', recipient => 'u', categories => '{laboratory}', disclosure => 'aggregate')
	  FROM generate_series(1, 40) AS i;
	SELECT twin_privacy.record_consent(i::text, decision => 'permit', purpose => 'HRESCH') FROM generate_series(1, 200) AS i;
	SET SESSION AUTHORIZATION two;
	SELECT twin_privacy.approve_use('U' || i), twin_privacy.grant_use('U' || i, 'analyst') FROM generate_series(1, 40) AS i});

my $all = 'SELECT count(*) FROM obs WHERE day < 50';
my $more = 'SELECT count(*) FROM obs WHERE day < 50 OR (day = 60 AND value = 3)';

# Asks under a use; gives the answer or the error.
sub ask
{
	my ($at, $use, $sql) = @_;
	my ($rc, $out, $err) = $at->psql('postgres', "SET twin_privacy.use = '$use'; $sql", extra_params => [ '-U', 'analyst' ]);
	return $rc == 0 ? $out : $err;
}

# The file that holds what a use released.
sub file_of
{
	my ($use) = @_;
	for my $file (glob($node->data_dir . '/pg_twin_privacy_guard/*'))
	{
		return $file if slurp_file($file) =~ /\Q$use\E\0/;
	}
	die "no file of $use";
}

is(ask($node, 'U1', $all), '10000', 'a release');
is((stat file_of('U1'))[2] & 07777, 0600, 'what is remembered is closed to others');
like(ask($node, 'U1', $more), qr/does not release figures that differ/, 'a near one is refused');
$node->stop('immediate');
$node->start;
like(ask($node, 'U1', $more), qr/does not release figures that differ/, 'after a crash, too');
is(ask($node, 'U1', $all), '10000', 'and the same passes');

# A batch that a crash left incomplete was never released.
my $file = file_of('U1');
my $size = -s $file;
append_to_file($file, substr(slurp_file($file), 320, 1000));
like(ask($node, 'U1', $more), qr/does not release figures that differ/, 'what is whole counts');
is(-s $file, $size, 'an incomplete batch is cut off');
is(ask($node, 'U1', 'SELECT count(*) FROM obs WHERE day < 70'), '14000', 'and what comes later is kept');
like(ask($node, 'U1', "SELECT count(*) FROM obs WHERE day < 70 OR (day = 80 AND value = 3)"),
	qr/does not release figures that differ/, 'behind what was whole');

# Nor was one of which a crash left zeros.
$size = -s $file;
append_to_file($file, "\0" x 5000);
is(ask($node, 'U1', $all), '10000', 'zeros are no figures');
is(-s $file, $size, 'and are cut off');

# Damage that is no crash's work: nothing is released.  A batch that claims more
# than the file has is not one whose end is missing.
for my $damage ([ 320, 'a length' ], [ 400, 'a figure' ])
{
	my $whole = slurp_file($file);

	open my $handle, '+<:raw', $file or die $!;
	seek $handle, $damage->[0], 0;
	print $handle "damage";
	close $handle;
	like(ask($node, 'U1', $all), qr/cannot be remembered, so nothing is released/, "damage of $damage->[1] closes the use");
	is(-s $file, $size, 'and cuts off nothing');
	next if $damage->[0] == 400;
	open $handle, '+<:raw', $file or die $!;
	print $handle $whole;
	close $handle;
}
is(ask($node, 'U2', $all), '10000', 'and no other');
$node->safe_psql('postgres', "SELECT twin_privacy.forget_releases('U2', 'test')", extra_params => [ '-U', 'one' ]);
is(ask($node, 'U2', $more), $node->safe_psql('postgres', 'SET twin_privacy.maintenance = on; ' . $more), 'a forgotten use starts anew');

# Two sessions at once: never both.
my $both = 0;
for my $use (map { "U$_" } 3 .. 27)
{
	my @out = ('', '');
	my @runs;

	for my $i (0, 1)
	{
		push @runs, start(
			[ 'psql', '-XAtq', '-U', 'analyst', '-d', $node->connstr('postgres'), '-c', "SET twin_privacy.use = '$use'",
				'-c', $i ? $more : $all ], '>', \$out[$i], '2>', '/dev/null');
	}
	finish($_) for @runs;
	$both++ if $out[0] =~ /\d/ && $out[1] =~ /\d/;
	die 'neither' unless "@out" =~ /\d/;
}
is($both, 0, 'of two sessions that ask at once one is refused');

# Workers' part of sketches is merged: the same figures are the same however they were computed.
my $grouped = 'SELECT day % 5, count(*), sum(value) FROM obs GROUP BY 1 ORDER BY 1';
my $serial = ask($node, 'U28', "SET max_parallel_workers_per_gather = 0; $grouped");
is(scalar(my @lines = split /\n/, $serial), 5, 'serial');
is(ask($node, 'U28', "SET parallel_leader_participation = off; $grouped"), $serial, 'parallel, nothing is new');
like(ask($node, 'U28', 'SET parallel_leader_participation = off; SELECT day % 5, count(*) FROM obs WHERE NOT (day = 60 AND value = 3) GROUP BY 1'),
	qr/does not release figures that differ/, 'parallel, near');

# Many groups: their sketches are light, and near ones are found all the same.
my $many = 'SELECT count(*) FROM (SELECT day, count(*) FROM obs GROUP BY day) AS s';
is(ask($node, 'U29', $many), '100', 'many groups');
like(ask($node, 'U29', 'SELECT count(*) FROM obs WHERE day = 90 AND value <> 3'), qr/does not release figures that differ/,
	'one of them less a few people');

# Full: refused, but for what was released before.
$node->safe_psql('postgres', "ALTER SYSTEM SET twin_privacy.guard_memory = '64kB'");
$node->reload;
my $last = '';
for my $day (1 .. 20)
{
	$last = ask($node, 'U30', "SELECT count(*), sum(value) FROM obs WHERE day % 20 < $day");
	last if $last =~ /as much as can be remembered/;
}
like($last, qr/as much as can be remembered/, 'a use whose memory is full releases nothing new');
is(ask($node, 'U30', 'SELECT count(*) FROM obs WHERE day % 20 < 1'), '1000', 'and what it released before again');

# On a standby nothing is released: what is there would not be known on the primary.
$node->safe_psql('postgres', 'ALTER SYSTEM RESET twin_privacy.guard_memory');
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
like(ask($standby, 'U1', $all), qr/not released on a standby/, 'a standby releases no aggregates');
$standby->stop;
$node->stop;
done_testing();
