# The report: one well-formed page with the figures of the ledger, in which no text of
# the database is markup. test/browser shows it to a browser.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;
use TwinPrivacy::Cluster;

my $node = TwinPrivacy::Cluster->new_node('report');
$node->psql('postgres', slurp_file("$ENV{TWIN_PRIVACY_SRC}/test/browser/activity.sql"), on_error_stop => 0);

# Runs SQL as a role.
sub as_role
{
	my ($role, $sql) = @_;
	return $node->psql('postgres', "\\set VERBOSITY verbose\n$sql", on_error_stop => 0, extra_params => [ '-U', $role ]);
}

my $period = q{now() - interval '10 days', now() + interval '1 second'};
my ($rc, $page, $err) = as_role('report_one', "SELECT twin_privacy.report($period)");
is($err, '', 'an officer gets it');
like($page, qr/\A<!DOCTYPE html>.*<\/html>\s*\z/s, 'a whole page');

# Texts are texts.
my %elements = map { $_ => 1 } $page =~ /<([a-z][a-z0-9]*)/gi;
is(join(' ', sort keys %elements),
	'b body details div figcaption figure h1 h2 head html li line meta p rect span style summary svg table tbody td text th thead title tr ul',
	'only elements of its own');
unlike($page, qr/<[^>]*\son\w+\s*=/i, 'no handlers');
unlike($page, qr/<[^>]*\s(?:src|href|action)\s*=|url\(|\@import/i, 'nothing from elsewhere');
like($page, qr/default-src 'none'; style-src 'unsafe-inline'/, 'and a policy that says so to the browser');
like($page, qr/&lt;script&gt;alert\(1\)&lt;\/script&gt;/, "the patient named <script> is shown as such");
like($page, qr/&lt;\/td&gt;&lt;script&gt;alert\(&#39;4&#39;\)/, 'so is a justification');
like($page, qr/&quot;&gt;&lt;img src=x onerror=alert\(2\)&gt;/, 'and a recipient');
like($page, qr/R&amp;D/, 'an ampersand is one');
like($page, qr/&lt;svg onload=alert\(3\)&gt;/, 'and who acted');
like($page, qr/report &lt;i&gt;reader/, 'and a login');
like($page, qr/&lt;b&gt;lab/, 'and a table');
like($page, qr/&lt;u&gt;none/, 'and a claimed use');
like($page, qr/&lt;marquee&gt;fine/, 'and a note');

# Well-formed as XML, too, and the figures are the ledger's.
(my $xml = $page) =~ s/^.*?\n//;
$node->safe_psql('postgres', 'CREATE TABLE page (x xml)');
($rc) = $node->psql('postgres', "INSERT INTO page VALUES (xmlparse(DOCUMENT \$page\$$xml\$page\$))");
is($rc, 0, 'well-formed');
my $figures = $node->safe_psql('postgres', q{
	SELECT count(*) FILTER (WHERE outcome <> 'refused'), count(*) FILTER (WHERE outcome = 'refused'), count(*) FILTER (WHERE form = 'maintenance') FROM twin_privacy.disclosures});
my ($reads, $refused, $maintenance) = split /\|/, $figures;
cmp_ok($reads, '>=', 5, 'something was read');
like($page, qr/<b>$reads<\/b>statements that read.*<b>$refused<\/b>refused.*<b>$maintenance<\/b>without purpose/s, 'its figures are those of the ledger');
is($node->safe_psql('postgres', q{SELECT count(*) FROM page, unnest(xpath('//rect[contains(title, "permits")]', x))}), 1, 'a bar of permits');
like($page, qr/permits \(3\)/, 'three permits');
like($page, qr/withdrawals \(1\)/, 'one withdrawal');
like($page, qr/<td>justified<\/td>/, 'the emergency has its verdict');
like($page, qr/without label: hidden.*<td>note<\/td>/s, 'columns without label are named');
like($page, qr/Re-identification risk.*<td>public\.patient<\/td><td>born, zip<\/td><td class="n">3<\/td><td class="n">1<\/td><td class="n">1<\/td><td class="n">33.3 %<\/td>/s, 'who stands alone');
like($page, qr/<td>SUMS<\/td>.*<td class="n">0 of 1 spent<\/td>/, 'budgets');

# Every period there is has its buckets; a bar lies inside the chart.
for my $days (1, 40, 200, 900)
{
	($rc, $page, $err) = as_role('report_two', "SELECT twin_privacy.report(now() - interval '$days days', now() + interval '1 second')");
	my @bars = $page =~ /<rect class="s\d" x="([-\d.]+)" y="([-\d.]+)" width="([\d.]+)" height="([\d.]+)"/g;
	my $inside = @bars > 0;
	for (my $i = 0; $i < @bars; $i += 4)
	{
		$inside &&= $bars[$i] >= 48 && $bars[$i] + $bars[ $i + 2 ] <= 712.5 && $bars[ $i + 1 ] >= 9.9 && $bars[ $i + 1 ] + $bars[ $i + 3 ] <= 180.2;
	}
	ok($inside, "$days days: every bar lies in its chart");
}
($rc, $page, $err) = as_role('report_two', "SELECT twin_privacy.report('2001-01-01', '2001-02-01')");
like($page, qr/None in this period/, 'an empty period is told as such');

like((as_role('report <i>reader</i>', "SELECT twin_privacy.report($period)"))[2], qr/42501/, 'others are refused');
like((as_role('report_one', "SELECT twin_privacy.report(NULL)"))[2], qr/22004.*HINT/s, 'NULL');
like((as_role('report_one', "SELECT twin_privacy.report(now(), now())"))[2], qr/22023.*HINT/s, 'an empty period');
like((as_role('report_one', "SELECT twin_privacy.report('-infinity')"))[2], qr/22023.*HINT/s, 'an endless one');

$node->stop;
done_testing();
