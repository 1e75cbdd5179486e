# No key is found anywhere but in the key file: not in the data directory, the WAL,
# the server log, a dump, a setting, a function's source or an error.
#
# The test knows the keys: it unwraps the data keys with the master key itself and
# looks for each in binary, hexadecimal and base 64.
use strict;
use warnings FATAL => 'all';

use MIME::Base64;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinPrivacy::Cluster;

my $node = TwinPrivacy::Cluster->new_node('secrets', conf => "log_min_messages = debug1\nlog_statement = all\nlog_error_verbosity = verbose\n");

$node->safe_psql('postgres', q{
	CREATE ROLE one LOGIN IN ROLE twin_privacy_officer;
	CREATE ROLE two LOGIN IN ROLE twin_privacy_officer;
	CREATE ROLE nurse LOGIN;
	SELECT twin_privacy.create_pseudonym_domain('D')});
$node->safe_psql('postgres', q{SELECT twin_privacy.propose_use('CARE', purpose => 'TREAT', recipient => 'hospital', categories => '{clinical}', disclosure => 'identified')},
	extra_params => [ '-U', 'one' ]);
$node->safe_psql('postgres', q{SELECT twin_privacy.approve_use('CARE'), twin_privacy.grant_use('CARE', 'nurse')}, extra_params => [ '-U', 'two' ]);

# The data keys that are live now, and the working keys derived from them, as this test computes them.
my %seen;
$node->safe_psql('postgres', 'CREATE EXTENSION crypto_vectors');
my $opened = q{
	SET log_statement = none;
	SET twin_privacy.maintenance = on;
	WITH m AS (SELECT decode(trim(pg_read_file(current_setting('twin_privacy.master_key_file')), E'\n'), 'hex') AS master),
	     k AS (SELECT domain_id, version, key_unwrap(hkdf_sha256(master, '', convert_to(format('twin_privacy/wrap/%s/%s', domain_id, version), 'UTF8'), 32), wrapped) AS key
	             FROM twin_privacy_internal.pseudonym_key, m WHERE wrapped IS NOT NULL)};
sub look_at_keys
{
	$seen{$_} = 1 for split /\n/, $node->safe_psql('postgres', "$opened SELECT encode(key, 'hex') FROM k");
	$seen{$_} = 1 for split /\n/, $node->safe_psql('postgres', "$opened SELECT encode(hkdf_sha256(key, '', convert_to('twin_privacy/' || purpose, 'UTF8'), length), 'hex')
		FROM k, (VALUES ('pseudonym', 32), ('permutation', 32), ('shift', 32), ('salt', 32), ('fpe', 32), ('sealed', 64)) p (purpose, length)");
	return;
}

# What clients were told, wrong calls included.
my $told = '';
sub client
{
	my ($role, $sql) = @_;
	my ($rc, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\n$sql", extra_params => [ '-U', $role ], on_error_stop => 0);
	$told .= ($out // '') . ($err // '');
	return;
}

my $first_master = slurp_file($node->safe_psql('postgres', 'SHOW twin_privacy.master_key_file'));
my $second_file = $node->basedir . '/second.key';
append_to_file($second_file, join('', map { sprintf '%02x', 255 - $_ * 3 } 1 .. 32) . "\n");
chmod 0600, $second_file;
my $second_master = slurp_file($second_file);
chomp($first_master, $second_master);

# Every function that touches a key, right and wrong.
look_at_keys();
client('postgres', q{
	SELECT twin_privacy.pseudonymize('D', 0);
	SELECT twin_privacy.rotate_pseudonym_key('D')});
look_at_keys();
client('postgres', q{
	SELECT twin_privacy.pseudonymize('D', i) FROM generate_series(1, 100) i;
	SELECT twin_privacy.pseudonyms('D', 'text');
	SELECT twin_privacy.shift_date('D', i, date '2020-01-01') FROM generate_series(1, 100) i;
	SELECT twin_privacy.destroy_pseudonym_key('D', 1, 'test');
	SELECT twin_privacy.erase_subject('7', 'test');
	SELECT twin_privacy.pseudonymize('D', 7);
	SELECT twin_privacy.pseudonymize('NONE', 7);
	SELECT * FROM twin_privacy.pseudonym_keys});
client('nurse', q{
	SELECT twin_privacy.bind_use('CARE', 'test');
	SELECT twin_privacy.unseal(twin_privacy.seal('CARE', 'plain'));
	SELECT twin_privacy.fpe_decrypt('CARE', twin_privacy.fpe_encrypt('CARE', '1234567', 'digits'), 'digits');
	SELECT twin_privacy.unseal(overlay(twin_privacy.seal('CARE', 'plain')::text placing '00' from 30)::twin_privacy.sealed);
	SELECT twin_privacy.unseal('00');
	SELECT 'garbage'::twin_privacy.pseudonym;
	SELECT twin_privacy.pseudonymize('D', 1);
	SELECT * FROM twin_privacy_internal.pseudonym_key});

# The master key is changed, and for a moment cannot be read at all.
$node->safe_psql('postgres', qq{ALTER SYSTEM SET twin_privacy.previous_master_key_file = '} . $node->safe_psql('postgres', 'SHOW twin_privacy.master_key_file') . q{'});
$node->safe_psql('postgres', qq{ALTER SYSTEM SET twin_privacy.master_key_file = '$second_file'});
$node->restart;
client('postgres', q{SELECT twin_privacy.rewrap_pseudonym_keys(); SELECT twin_privacy.pseudonymize('D', 1)});
chmod 0644, $second_file;
client('postgres', q{SELECT twin_privacy.pseudonymize('D', 1)});
chmod 0600, $second_file;
look_at_keys();
is(scalar(grep { length == 64 } keys %seen), 3 * 6, 'the test opens three data keys, a destroyed one among them, and derives five more of each');
like($told, qr/TP005.*master key is not available/, 'the clients were told something');

# Salts of the forgotten, as they are under the domain's key.
for (split /\n/, $node->safe_psql('postgres', "$opened SELECT encode(salt, 'hex'), encode(hmac_sha256(hkdf_sha256(key, '', 'twin_privacy/salt', 32), 's'::bytea || tag), 'hex')
	FROM k JOIN twin_privacy_internal.subject_salt USING (domain_id, version)"))
{
	my ($stored, $pad) = map { pack 'H*', $_ } split /\|/;
	$seen{unpack 'H*', $stored ^ substr $pad, 0, 16} = 1;
}
is(scalar(grep { length == 32 } keys %seen), 2 * 8, 'and the salts of a forgotten subject');
$node->safe_psql('postgres', 'CHECKPOINT');

my %needle;
for my $hex ($first_master, $second_master, keys %seen)
{
	my $binary = pack 'H*', $hex;
	# Half a key is a find as well.
	for (my $at = 0; $at < length $binary; $at += 16)
	{
		my $half = substr $binary, $at, 16;
		$needle{$half} = 'binary';
		$needle{lc unpack 'H*', $half} = 'hexadecimal';
		$needle{uc unpack 'H*', $half} = 'capitals';
	}
	$needle{substr encode_base64($binary, ''), 0, int(length($binary) / 3) * 4} = 'base 64';
}
my $pattern = join '|', map { quotemeta } sort keys %needle;
$pattern = qr/($pattern)/;

# Names the secrets found in some bytes.
sub found
{
	my ($bytes) = @_;
	return $bytes =~ $pattern ? $needle{$1} : '';
}
is(found("xx" . pack('H*', (sort keys %seen)[0]) . "yy"), 'binary', 'the search finds what is there');
is(found('key ' . uc $first_master), 'capitals', 'in capitals, too');

# Everything the server has written, the ledger's spool included.
my ($files, @hits) = (0);
my @todo = ($node->data_dir);
while (my $path = shift @todo)
{
	next if -l $path && !-d $path;
	if (-d $path) { opendir my $handle, $path or next; push @todo, map { "$path/$_" } grep { !/^\.\.?$/ } readdir $handle; next; }
	next unless -f $path;
	$files++;
	open my $handle, '<:raw', $path or next;
	local $/;
	my $hit = found(<$handle> // '');
	push @hits, "$path ($hit)" if $hit;
}
cmp_ok($files, '>', 500, 'the data directory was read');
is("@hits", '', 'no key in the data directory and its WAL');
is(found(slurp_file($node->logfile)), '', 'no key in the server log');
is(found($told), '', 'no key in results and error messages');

my $dump = $node->basedir . '/dump';
{
	local $ENV{PGOPTIONS} = '-c twin_privacy.maintenance=on';
	$node->command_ok([ 'pg_dump', '-f', $dump, $node->connstr('postgres') ], 'dumped');
}
like(slurp_file($dump), qr/COPY twin_privacy_internal\.pseudonym_key /, 'the dump has the wrapped keys');
is(found(slurp_file($dump)), '', 'and no other');
is(found($node->safe_psql('postgres', q{SELECT name, setting, boot_val, reset_val FROM pg_settings})), '', 'no key in a setting');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_settings WHERE name ~ 'master_key' AND setting ~ 'master'}, extra_params => [ '-U', 'nurse' ]),
	'0', 'who is no superuser does not see where the key is');
is(found($node->safe_psql('postgres', q{SELECT prosrc, probin FROM pg_proc WHERE pronamespace::regnamespace::text ~ 'twin_privacy'})), '', 'no key in a function');

# The backend's own memory: the master key is gone at once, working keys with their statement, data keys when keys change.
sub changed
{
	return join '', map { sprintf '%02x', $_ ^ 0x5a } unpack 'C*', pack 'H*', $_[0];
}
my ($data) = split /\n/, $node->safe_psql('postgres', qq{$opened SELECT encode(key, 'hex') FROM k JOIN twin_privacy_internal.pseudonym_domain d USING (domain_id) WHERE name = 'D'});
my ($working) = split /\n/, $node->safe_psql('postgres', qq{$opened SELECT encode(hkdf_sha256(key, '', 'twin_privacy/pseudonym', 32), 'hex')
	FROM k JOIN twin_privacy_internal.pseudonym_domain d USING (domain_id) WHERE name = 'D'});
my $holds = 'SELECT ' . join ', ', map { q{memory_holds('\x} . changed($_) . q{')} } $second_master, unpack('H*', $second_master), $data, $working;
my $session = $node->background_psql('postgres');
my $pid = $session->query_safe('SELECT pg_backend_pid()');
my $own = (stat "/proc/$pid/environ")[4];
is($session->query_safe($holds), '0|0|0|0', 'a new backend holds no key');
$session->query_safe(q{SELECT count(twin_privacy.pseudonymize('D', i)) FROM generate_series(1, 10) i});
like($session->query_safe($holds), qr/^0\|0\|[1-9]\d*\|0$/, 'after a statement it holds the data key, and neither master nor working key');
is((stat "/proc/$pid/environ")[4], 0, 'and is not dumpable: its memory is root\'s alone');
isnt($own, 0, 'which it was before');
$node->safe_psql('postgres', q{SELECT twin_privacy.rotate_pseudonym_key('D')});
is($session->query_safe($holds), '0|0|0|0', 'after a rotation elsewhere it holds none');
$session->quit;

$node->stop;
done_testing();
