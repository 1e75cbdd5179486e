# A statement that is cancelled while it reads who was forgotten leaves nothing
# half known: the session's next one reads again.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;
use TwinPrivacy::Cluster;

my $node = TwinPrivacy::Cluster->new_node('cancelled', start => 0);
my $key_file = $node->basedir . '/cancelled.key';
append_to_file($key_file, '5a' x 32 . "\n");
chmod 0600, $key_file;
$node->append_conf('postgresql.conf', "twin_privacy.master_key_file = '$key_file'\n");
$node->start;
# forgotten ones enough that reading them takes longer than a timeout
$node->safe_psql('postgres', q{
	CREATE EXTENSION twin_privacy CASCADE;
	SELECT twin_privacy.create_pseudonym_domain('LONG');
	SET twin_privacy.maintenance = on;
	INSERT INTO twin_privacy_internal.subject_salt (domain_id, version, tag, salt)
	SELECT k.domain_id, k.version, decode(md5(i::text), 'hex'), s.salt
	  FROM twin_privacy_internal.pseudonym_key AS k, generate_series(1, 300000) AS i,
	       LATERAL (SELECT decode(md5('a' || i), 'hex') AS salt) AS s});

my $session = $node->background_psql('postgres', on_error_stop => 0);
my $ask = q{SELECT twin_privacy.pseudonymize('LONG', 'p17'::text)};
my %seen = ($session->query_safe($ask) => 'at first');
my $cancelled = 0;

for my $ms (2, 5, 10, 20, 40)
{
	$node->safe_psql('postgres', q{SELECT twin_privacy.forget_pseudonyms('p17')});
	$session->{stderr} = '';
	$session->query("SET statement_timeout = $ms; $ask; RESET statement_timeout;");
	$cancelled++ if $session->{stderr} =~ /canceling statement/;
	$session->{stderr} = '';
	my $now = $session->query_safe($ask);
	ok(!exists $seen{$now}, "forgotten after a timeout of $ms ms") or diag("it is what it was $seen{$now}");
	$seen{$now} = "after $ms ms";
}
cmp_ok($cancelled, '>', 0, 'a read was cancelled');
$session->quit;
done_testing();
