import Testing
import lab

private let trace = """
    10 epoll_wait(4, [], 512, 100) = 0
    11 read(9, "GET /health HTTP/1.1", 65536) = 40
    10 read(7, "GET /health HTTP/1.1\\r\\nHo"..., 65536 <unfinished ...>
    11 futex(0x7f, FUTEX_WAIT) = 0
    10 <... read resumed>) = 40
    10 sendto(7, "HTTP/1.1 200 OK\\r\\n"..., 190, MSG_NOSIGNAL, NULL, 0) = 190
    10 epoll_wait(4,  <unfinished ...>
    11 write(2, "x", 1) = 1
    10 <... epoll_wait resumed>[{events=EPOLLIN}], 512, 100) = 1
    10 read(8, "GET /1abcdef = 0 HTTP/1.1"..., 65536) = 160
    10 sendto(8, "HTTP/1.1 302 Found"..., 900, MSG_NOSIGNAL, NULL, 0) = 900
    10 madvise(0x7f0000000000, 4096, MADV_DONTNEED) = 0
    10 epoll_wait(4, [], 512, 100) = 0
    10 epoll_wait(4, [{events=EPOLLIN}], 512, 100) = 1
    10 read(7, "GET /health HTTP/1.1\\r\\nHo"..., 65536) = 40
    10 sendto(7, "HTTP/1.1 200 OK\\r\\n"..., 190, MSG_NOSIGNAL, NULL, 0) = 190
    --- SIGTERM {si_signo=SIGTERM} ---
    9 +++ exited with 0 +++
    """

@Test func systemCallsOfAThreadAreCounted() throws {
    let whole = SystemCallTrace(trace, process: 9, thread: 10)
    #expect(whole.isWhole)
    let calls = try #require(whole.between("GET /health"))
    #expect(calls.map(\.name) == ["epoll_wait", "read", "sendto", "madvise", "epoll_wait", "epoll_wait"])
    let counts = SystemCallCounts(calls)
    #expect(counts.reads == 1 && counts.writes == 1 && counts.waits == 2 && counts.others == ["madvise": 1])
}

@Test func aTraceThatIsNotWholeIsKnown() {
    let part = SystemCallTrace(String(trace.prefix(600)), process: 9, thread: 10)
    #expect(!part.isWhole && part.between("GET /health") == nil)
    #expect(SystemCallTrace(trace, process: 8, thread: 10).isWhole == false)
}

/// Thresholds that hold: see `CountLimits`.
@Test func aRedirectTakesNoMoreThanItMay() throws {
    let outcome = try CountCommand.count(groups: 2000, links: 5000)
    #expect(outcome.excesses == [], "\(outcome.text)")
    // And a bound that is too low is noticed.
    var tight = CountLimits.all[0]
    tight.reads = 0.9
    #expect(try CountCommand.count([tight], groups: 200, links: 100).excesses.count == 1)
}
