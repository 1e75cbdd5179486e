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

# Every function that touches a key, right and wrong.
$node->safe_psql('postgres', q{
	SELECT twin_privacy.rotate_pseudonym_key('D');
	SELECT count(twin_privacy.pseudonymize('D', i)) FROM generate_series(1, 100) i;
	SELECT count(twin_privacy.shift_date('D', i, date '2020-01-01')) FROM generate_series(1, 100) i;
	SELECT twin_privacy.destroy_pseudonym_key('D', 1, 'test');
	SELECT twin_privacy.forget_pseudonyms('7');
	SELECT twin_privacy.rewrap_pseudonym_keys()});
$node->psql('postgres', qq{
	SELECT twin_privacy.bind_use('CARE', 'test');
	SELECT twin_privacy.unseal(twin_privacy.seal('CARE', 'plain'));
	SELECT twin_privacy.fpe_decrypt('CARE', twin_privacy.fpe_encrypt('CARE', '1234567', 'digits'), 'digits');
	SELECT twin_privacy.unseal('00');
	SELECT 'garbage'::twin_privacy.pseudonym;
	SELECT twin_privacy.pseudonymize('D', 1)}, extra_params => [ '-U', 'nurse' ], on_error_stop => 0);

# The secrets: the master key, and each data key as this test unwraps it.
my $master = slurp_file($node->safe_psql('postgres', 'SHOW twin_privacy.master_key_file'));
chomp $master;
$node->safe_psql('postgres', 'CREATE EXTENSION crypto_vectors');
my @data = split /\n/, $node->safe_psql('postgres', qq{
	SET log_statement = none;
	SET twin_privacy.maintenance = on;
	SELECT encode(key_unwrap(hkdf_sha256(decode(trim(pg_read_file(current_setting('twin_privacy.master_key_file')), E'\\n'), 'hex'), '',
	    convert_to(format('twin_privacy/wrap/%s/%s', domain_id, version), 'UTF8'), 32), wrapped), 'hex')
	  FROM twin_privacy_internal.pseudonym_key WHERE wrapped IS NOT NULL});
is(scalar @data, 2, 'the test unwraps the live data keys');
$node->safe_psql('postgres', 'CHECKPOINT');

my %needle;
for my $hex ($master, @data)
{
	my $binary = pack 'H*', $hex;
	# Half a key is a find as well.
	$needle{substr $binary, $_, 16} = 'binary' for 0, 16;
	$needle{lc substr $hex, $_, 32} = 'hexadecimal' for 0, 32;
	$needle{uc substr $hex, $_, 32} = 'capitals' for 0, 32;
	(my $base64 = encode_base64($binary, '')) =~ s/=+$//;
	$needle{substr $base64, 0, 40} = 'base 64';
}
my $pattern = join '|', map { quotemeta } sort keys %needle;
$pattern = qr/($pattern)/;

# Names the secrets found in some bytes.
sub found
{
	my ($bytes) = @_;
	return $bytes =~ $pattern ? $needle{$1} : '';
}
is(found("xx" . pack('H*', $data[0]) . "yy"), 'binary', 'the search finds what is there');
is(found('key ' . uc $master), 'capitals', 'in capitals, too');

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

$node->stop;
done_testing();
