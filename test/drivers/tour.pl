# One and the same tour with psql, psycopg 3 and 2, node-postgres and JDBC: bind with
# parameters, statements that outlive their binding, errors to act on, COPY, cursors,
# what drivers ask about tables, and a pool in transaction mode.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;
use TwinPrivacy::Cluster;

my $here = "$ENV{TWIN_PRIVACY_SRC}/test/drivers";
my $pool_port = PostgreSQL::Test::Cluster::get_free_port();
my $node = TwinPrivacy::Cluster->new_node('drivers', conf => "listen_addresses = '127.0.0.1'\ndatestyle = 'ISO'\n");
my $port = $node->port;
my @as = map { [ extra_params => [ '-U', $_ ] ] } qw(tour_one tour_two tour_registrar);

$node->safe_psql('postgres', q{
	CREATE ROLE tour_one LOGIN IN ROLE twin_privacy_officer;
	CREATE ROLE tour_two LOGIN IN ROLE twin_privacy_officer;
	CREATE ROLE tour_registrar LOGIN IN ROLE twin_privacy_registrar});

# Makes a database with a table that an application's login of its own reads and writes.
sub prepare
{
	my ($name) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $name; CREATE ROLE ${name}_app LOGIN");
	$node->safe_psql($name, qq{
		CREATE EXTENSION twin_privacy CASCADE;
		CREATE TABLE chart (patient_id int NOT NULL, value int, taken date, note text);
		INSERT INTO chart SELECT i, i * 10, date '2026-03-01' + i, 'note ' || i FROM generate_series(1, 10) i;
		SELECT twin_privacy.protect_table('chart', subject => 'patient_id', category => 'laboratory');
		SELECT twin_privacy.label_column('chart', 'value', 'kind=plain');
		SELECT twin_privacy.label_column('chart', 'note', 'kind=identifier, mask=redact');
		GRANT SELECT, INSERT, UPDATE, DELETE ON chart TO ${name}_app});
	$node->safe_psql($name, q{
		SELECT twin_privacy.propose_use('CARE', purpose => 'TREAT', recipient => 'us', categories => '{laboratory}', disclosure => 'identified');
		SELECT twin_privacy.propose_use('STUDY', purpose => 'HRESCH', recipient => 'us', categories => '{laboratory}', disclosure => 'pseudonymised')}, @{ $as[0] });
	$node->safe_psql($name, qq{SELECT twin_privacy.approve_use(u), twin_privacy.grant_use(u, '${name}_app') FROM unnest('{CARE,STUDY}'::text[]) u}, @{ $as[1] });
	$node->safe_psql($name, q{
		SELECT twin_privacy.record_consent(i::text, decision => 'permit', purpose => 'TREAT') FROM generate_series(1, 7) i;
		SELECT twin_privacy.record_consent(i::text, decision => 'permit', purpose => 'HRESCH') FROM generate_series(1, 3) i}, @{ $as[2] });
	return;
}

# What every driver's tour says.
my $expected = <<'TOUR';
unbound: TP001 hint
bound: CARE
parameter: 3 30 2026-03-04
prepared: 7 3 7
prepared unbound: TP001 hint
transaction: 3
after commit: TP001 hint
masked: 3 3 False
write outside: TP003 hint
copy in outside: TP003 hint
unknown use: TP002 hint
batch: 3
copy out: 7
copy in: 1
cursor: 280
metadata: patient_id value taken note
pooled: 7 3 7
pooled unbound: TP001 hint
own records: 2 1 True
TOUR

my %drivers = (
	psql => [ 'psql', '-X', '-f', "$here/tour.psql" ],
	psycopg3 => [ '/usr/bin/python3', "$here/tour_psycopg3.py" ],
	psycopg2 => [ '/usr/bin/python3', "$here/tour_psycopg2.py" ],
	node => [ 'node', "$here/tour_node.js" ],
	jdbc => [ 'java', '-cp', '/usr/share/java/postgresql.jar', "$here/TourJdbc.java" ]);
prepare($_) for sort keys %drivers;

my $dir = $node->basedir . '/pool';
mkdir $dir or die;
append_to_file("$dir/users", join '', map { qq{"${_}_app" ""\n} } sort keys %drivers);
append_to_file("$dir/ini", <<"INI");
[databases]
* = host=127.0.0.1 port=$port
[pgbouncer]
listen_addr = 127.0.0.1
unix_socket_dir =
listen_port = $pool_port
auth_type = trust
auth_file = $dir/users
pool_mode = transaction
default_pool_size = 1
pidfile = $dir/pid
logfile = $dir/log
ignore_startup_parameters = extra_float_digits
INI
run_log([ '/usr/sbin/pgbouncer', '-q', '-d', "$dir/ini" ]) or die 'pgbouncer does not start';

for my $driver (sort keys %drivers)
{
	my $user = "${driver}_app";
	local %ENV = (%ENV, PGHOST => '127.0.0.1', PGPORT => $port, PGUSER => $user, PGDATABASE => $driver, PGTZ => 'UTC');
	my %at = (DIRECT => $port, POOLED => $pool_port);
	while (my ($name, $number) = each %at)
	{
		$ENV{"TOUR_$name"} = "host=127.0.0.1 port=$number user=$user dbname=$driver";
		$ENV{"TOUR_${name}_URL"} = "postgres://$user\@127.0.0.1:$number/$driver";
		$ENV{"TOUR_${name}_JDBC"} = "jdbc:postgresql://127.0.0.1:$number/$driver?user=$user";
	}
	my @command = @{ $drivers{$driver} };
	my ($out, $err) = ('', '');
	my $timer = IPC::Run::timeout(120);
	my $ok = eval { IPC::Run::run(\@command, '<', \undef, '>', \$out, '2>', \$err, $timer) };
	ok($ok, "$driver: the tour ends well") or diag($@ // '', $err);
	my @said = split /\n/, $out;
	my @should = split /\n/, $expected;
	is($said[$_], $should[$_], "$driver: " . ($should[$_] =~ s/:.*//r)) for 0 .. $#should;
	is(scalar @said, scalar @should, "$driver: and nothing else") or diag($out);
	# psql has a variable for the SQLSTATE, none for the hint
	is(scalar(() = $err =~ /^HINT: /mg), scalar(() = $err =~ /ERROR: /g), 'psql: every error has its hint') if $driver eq 'psql';
	is($node->safe_psql($driver, q{SELECT count(*) FROM twin_privacy.disclosures WHERE outcome NOT IN ('done', 'refused', 'error')}), 0,
		"$driver: every statement has its end in the ledger");
}

(my $pid = slurp_file("$dir/pid")) =~ s/\s//g;
kill 'TERM', $pid;
$node->stop;
done_testing();
