# Lint::Package - META.json as PGXN's meta specification 1.0.0 wants it, and
# packages of the same version.
package Lint::Package;

use strict;
use warnings FATAL => 'all';

use JSON::PP;

my $semver = qr{^(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)(?:-[A-Za-z][\w-]*)?$};

# Says what is wrong with a distribution's metadata.
sub complaints
{
	my ($meta) = @_;
	my @wrong;
	my $text = sub { defined $_[0] && !ref $_[0] && $_[0] =~ /\S/ };

	push @wrong, "$_ is missing" for grep { !defined $meta->{$_} } qw(abstract license maintainer meta-spec name provides version);
	push @wrong, "$_ is no text" for grep { defined $meta->{$_} && !$text->($meta->{$_}) } qw(abstract description generated_by license name version);
	push @wrong, 'the name has a character it must not' if ($meta->{name} // '') =~ m{[\s/\\[:cntrl:]]} || length($meta->{name} // '') < 2;
	push @wrong, 'the version is not semantic' if ($meta->{version} // '') !~ $semver;
	push @wrong, 'release_status is none' if ($meta->{release_status} // 'stable') !~ /^(?:stable|testing|unstable)$/;
	push @wrong, 'meta-spec names no version 1 and URL' if ($meta->{'meta-spec'}{version} // '') !~ /^1\.0\.\d+$/ || ($meta->{'meta-spec'}{url} // '') !~ m{^https?://pgxn\.org/meta/spec\.txt$};
	push @wrong, 'tags must be texts of up to 255 characters without slashes' if grep { !$text->($_) || length > 255 || m{[/\\[:cntrl:]]} } @{ $meta->{tags} // [] };
	for my $name (sort keys %{ $meta->{provides} // {} })
	{
		my $part = $meta->{provides}{$name};
		push @wrong, "provides $name: version or file is missing" if ($part->{version} // '') !~ $semver || !$text->($part->{file});
		push @wrong, "provides $name: $_ is not there" for grep { defined $_ && !-e $_ } @{$part}{qw(file docfile)};
	}
	for my $phase (sort keys %{ $meta->{prereqs} // {} })
	{
		push @wrong, "prereqs: no phase $phase" if $phase !~ /^(?:configure|build|test|runtime|develop)$/;
		push @wrong, "prereqs: no relation $_" for grep { !/^(?:requires|recommends|suggests|conflicts)$/ } keys %{ $meta->{prereqs}{$phase} };
		push @wrong, 'prereqs: no version' for grep { !/^(?:0|\d+\.\d+\.\d+)$/ } map { values %$_ } values %{ $meta->{prereqs}{$phase} };
	}
	return @wrong;
}

# Checks what packages the tree.
sub check
{
	my ($report) = @_;
	if (-e 'META.json')
	{
		my $meta = eval { JSON::PP->new->utf8->decode(Lint::Tree::slurp('META.json')) };
		my @wrong = ref $meta eq 'HASH' ? complaints($meta) : 'no JSON object';
		$report->('META.json', 0, 'package', $_) for @wrong;
	}
	if (-e 'debian/changelog')
	{
		my ($version) = Lint::Tree::slurp('twin_privacy.control') =~ m{^default_version\s*=\s*'([^']+)'}m;
		my ($packaged) = Lint::Tree::slurp('debian/changelog') =~ /^\S+ \(([^)]+?)-[^-)]+\)/;
		$report->('debian/changelog', 1, 'package', "version $packaged, the control file has $version") if ($packaged // '') ne $version;
	}
	return;
}

1;
