#!/usr/bin/perl
# Scores a host name by its Shannon entropy, in bits a character: names made by an algorithm tend to score high.
#
# GET /apply?host=NAME answers {"entropy": 2.6464}, GET /health answers 200 while it serves. One process serves all
# connections. Nothing but Perl's core modules is needed, of which Debian's perl-base has all that are used here.
use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;

use constant {
    ANNOUNCEMENT    => 'endpoint.dat',
    MAX_REQUEST     => 16_384,    # bytes of a request's head
    MAX_CONNECTIONS => 1_000,     # more wait in the system's queue
    DRAIN           => 5,         # seconds for requests half read when the end was asked
};

my $stopping = 0;
$SIG{TERM} = $SIG{INT} = sub { $stopping ||= time };
$SIG{PIPE} = 'IGNORE';            # a client that went away is seen by the failing write

my $listener = IO::Socket::INET->new(LocalAddr => '0.0.0.0', Listen => 128, ReuseAddr => 1, Blocking => 0)
    or die "could not listen: $@\n";
announce($listener->sockport);

my $sockets  = IO::Select->new($listener);
my %unread;                       # by connection: what came of the next request so far

until ($stopping) {
    # A listener that is watched but not accepted from would be ready at every turn.
    if   (keys %unread < MAX_CONNECTIONS) { $sockets->add($listener) }
    else                                  { $sockets->remove($listener) }
    # A second, so that a signal just before the wait is not missed for long.
    for my $socket ($sockets->can_read(1)) {
        if ($socket != $listener) { receive($socket) }
        elsif (my $client = $listener->accept) {
            $client->blocking(0);
            $sockets->add($client);
            $unread{$client} = '';
        }
    }
}

# Nothing new is taken; a request that is half here gets its answer.
$sockets->remove($listener);
close $listener;
while (time < $stopping + DRAIN) {
    hang_up($_) for grep { $unread{$_} eq '' } $sockets->handles;
    last unless $sockets->count;
    receive($_) for $sockets->can_read(0.1);
}

# Written whole or not at all: a reader never sees half of it.
sub announce {
    my ($port) = @_;
    my $new = ANNOUNCEMENT . '.new';
    open my $file, '>', $new or die "could not write $new: $!\n";
    print {$file} qq({"url":"http://0.0.0.0:$port","functions":{"apply":"apply"}});
    close $file or die "could not write $new: $!\n";
    rename $new, ANNOUNCEMENT or die 'could not write ' . ANNOUNCEMENT . ": $!\n";
}

sub receive {
    my ($socket) = @_;
    my $count = sysread $socket, $unread{$socket}, 4096, length $unread{$socket};
    return if !defined $count and ($!{EAGAIN} or $!{EINTR});
    return hang_up($socket) unless $count;
    # As many requests as have come whole; the answers keep their order.
    while ($unread{$socket} =~ s/\A(.*?)\r?\n\r?\n//s) {
        return unless respond($socket, $1);
    }
    respond($socket, undef) if length $unread{$socket} > MAX_REQUEST;
}

# Answers one request's head and says whether the connection stays.
sub respond {
    my ($socket, $head) = @_;
    my ($status, $body) = defined $head ? answer($head) : ('431 Request Header Fields Too Large', '{}');
    # A request with a body is none of ours, and its body would be taken for the next request.
    my $stays = $status =~ /\A(?:200|400|404)/ && $head !~ /^Connection:\s*close/im
        && $head !~ /\A\S+ \S+ HTTP\/1\.0/ && $head !~ /^(?:Content-Length:\s*[1-9]|Transfer-Encoding:)/im;
    my $response = join "\r\n", "HTTP/1.1 $status", 'Content-Type: application/json', 'Content-Length: ' . length $body,
        ($stays ? () : 'Connection: close'), '', $body;
    my $sent = syswrite $socket, $response;
    return 1 if $stays and defined $sent and $sent == length $response;
    # Asked to close, or a client that reads nothing of what it asks for.
    hang_up($socket);
    return 0;
}

sub answer {
    my ($head) = @_;
    my ($path, $query) = $head =~ m{\AGET ([^\s?]*)\??(\S*) HTTP/1\.[01]\r?(?:\n|\z)}
        or return ('405 Method Not Allowed', '{"error":"only GET is served"}');
    return ('200 OK', '{"status":"ok"}') if $path eq '/health';
    return ('404 Not Found', '{"error":"there are /apply and /health"}') if $path ne '/apply';
    my ($host) = $query =~ /(?:\A|&)host=([^&]+)/
        or return ('400 Bad Request', '{"error":"the parameter host is missing: /apply?host=example.com"}');
    $host =~ tr/+/ /;
    $host =~ s/%([0-9A-Fa-f]{2})/chr hex $1/ge;
    return ('200 OK', sprintf '{"entropy": %.4f}', entropy($host));
}

sub entropy {
    my ($text) = @_;
    my %count;
    $count{$_}++ for split //, $text;
    my $bits = 0;
    for my $share (map { $_ / length $text } values %count) { $bits -= $share * log($share) / log(2) }
    return abs $bits;             # no minus sign before a zero
}

sub hang_up {
    my ($socket) = @_;
    $sockets->remove($socket);
    delete $unread{$socket};
    close $socket;
}
