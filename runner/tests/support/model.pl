# A model for tests: listens on BIND (0.0.0.0) and PORT (any), announces itself with ANNOUNCE_HOST (0.0.0.0), and answers
# /health with 503 while a file named "unhealthy" stands beside it. GET /pid answers its process number.
use strict;
use warnings;
use IO::Socket::INET;

$| = 1;
$SIG{PIPE} = 'IGNORE';
my $server = IO::Socket::INET->new(
    Listen    => 64,
    LocalAddr => $ENV{BIND} || '0.0.0.0',
    LocalPort => $ENV{PORT} || 0,
    ReuseAddr => 1,
) or die "can't bind: $!\n";
my $host = $ENV{ANNOUNCE_HOST} || '0.0.0.0';
open my $file, '>', 'endpoint.tmp' or die "can't write: $!\n";
print $file '{"url":"http://' . $host . ':' . $server->sockport . '"}';
close $file;
rename 'endpoint.tmp', 'endpoint.dat' or die "can't rename: $!\n";
while (my $client = $server->accept) {
    my $request = <$client> // '';
    while (my $line = <$client>) { last if $line =~ /^\r?\n$/ }
    my $status = ($request =~ m{^GET /health } && -e 'unhealthy') ? '503 Unhealthy' : '200 OK';
    my $body = $$;
    print $client "HTTP/1.1 $status\r\nContent-Length: " . length($body) . "\r\nConnection: close\r\n\r\n$body";
    close $client;
}
