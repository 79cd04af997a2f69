import Links
import Primitives
import Testing

@testable import Replication

/// What clients ask for and only others have.
struct LookupTests {
    private static let code = Array("2TcH0Me".utf8)
    private static let author = NodeID(Bench.second)
    /// One that nobody holds for ended.
    private static let member = Member(id: author, addresses: ["b"], logFormat: 1)

    private static func hello(_ origin: Origin = Bench.second) -> Hello {
        var hello = Bench.hello(origin, run: UInt64(origin.region))
        hello.versions = 1...2
        return hello
    }

    private static func position(_ sequence: UInt64, of origin: Origin = Bench.second) -> LogPosition {
        LogPosition(LifeTag(origin)!, sequence)
    }

    private static func token(_ id: UInt64, _ positions: [LogPosition], timeout: Int64 = 1000) -> Event {
        .lookUp(Lookup(id: id, code: code, positions: positions, whom: .holder, timeout: timeout))
    }

    private static func miss(_ id: UInt64, _ whom: Lookup.Whom = .author(author)) -> Event {
        .lookUp(Lookup(id: id, code: code, whom: whom, timeout: 1000))
    }

    /// A machine with `second` up to 5 and a connection to it.
    private static func bench(seal: UInt64 = OriginState.unsealed, members: [Member] = []) -> (Bench, ConnectionID) {
        var bench = Bench(rows: [Bench.row(Bench.second, 5, chain: 5, seal: seal)], members: members)
        let id = bench.connect(hello(), state: [Bench.row(Bench.second, 5, chain: 5)])
        return (bench, id)
    }

    // MARK: Tokens

    @Test func coveredAtOnceAndWhenItsEntryHasCome() {
        var (bench, _) = Self.bench()
        bench.tell(Self.token(1, [Self.position(5)]))
        #expect(bench.outcomes == [.init([1], .covered)])
        bench.tell(Self.token(2, [Self.position(7)]))
        bench.tell(Self.token(3, [Self.position(8)]))
        #expect(bench.outcomes.isEmpty && bench.requests.isEmpty)
        bench.receive(ConnectionID(rawValue: 1), .entries(Bench.entries(6...7)))
        bench.applied(Bench.second, 7)
        #expect(bench.outcomes == [.init([2], .covered)])
    }

    /// Its entries are on their way, and do not come: then the peer is asked, and its answer serves all who ask alike.
    @Test func waitsThenAsks() {
        var (bench, id) = Self.bench()
        for number in 1...3 { bench.tell(Self.token(UInt64(number), [Self.position(7)])) }
        #expect(bench.requests.isEmpty)
        bench.wait(99)
        #expect(bench.requests.isEmpty)
        bench.wait(1)
        let requests = bench.requests
        #expect(requests.map(\.request) == [LinkRequest(positions: [Self.position(7)], code: Self.code)])
        bench.receive(
            id, .linkAnswer(LinkAnswer(.here, reflecting: Self.position(9), record: [4])), request: requests[0].number)
        #expect(bench.outcomes == [.init([1, 2, 3], .found([4], Self.position(9), by: Self.author))])
        // Once.
        bench.receive(id, .linkAnswer(LinkAnswer(.here, record: [5])), request: requests[0].number)
        #expect(bench.outcomes.isEmpty)
    }

    /// Without its author, whoever holds it is asked at once; who says that it does not is passed over.
    @Test func asksTheNearestHolder() {
        var bench = Bench(rows: [Bench.row(Bench.second, 5, chain: 5)])
        let id = bench.connect(Self.hello(Bench.third), state: [Bench.row(Bench.second, 9, chain: 9)])
        bench.tell(Self.token(1, [Self.position(8)]))
        #expect(bench.requests.map(\.connection) == [id])
        bench.receive(id, .linkAnswer(LinkAnswer(.behind)), request: bench.requests[0].number)
        #expect(bench.outcomes.isEmpty)
        bench.tell(Self.token(2, [Self.position(10)]))
        #expect(bench.requests.isEmpty, "nobody is known to hold it")
        for _ in 0..<20 {
            bench.wait(50)
            if !bench.outcomes.isEmpty { break }
        }
        #expect(bench.outcomes.first?.outcome == .behind)
    }

    @Test func oneThatNeverAnswersAndOneThatDies() {
        var (bench, id) = Self.bench()
        bench.tell(Self.miss(1))
        #expect(bench.requests.count == 1)
        bench.wait(300)
        #expect(bench.outcomes == [.init([1], .unreachable)])
        bench.tell(Self.miss(2))
        #expect(bench.requests.count == 1)
        bench.tell(.closed(id))
        #expect(bench.outcomes == [.init([2], .unreachable)])
        bench.tell(Self.miss(3))
        #expect(bench.outcomes == [.init([3], .unreachable)])
        bench.tell(Self.token(4, [Self.position(7)], timeout: 0))
        bench.wait(1)
        #expect(bench.outcomes == [.init([4], .behind)])
    }

    /// An ended life never holds what lies behind its end; but only once everyone has said how far it goes.
    @Test func lost() {
        var (bench, _) = Self.bench(seal: 5, members: [Self.member])
        bench.tell(Self.token(1, [Self.position(6)]))
        #expect(bench.outcomes == [.init([1], .lost)])
        var other = Bench(rows: [Bench.row(Bench.second, 5, chain: 5, seal: 5)], members: [Self.member])
        other.tell(Self.token(1, [Self.position(6)], timeout: 300))
        #expect(other.outcomes.isEmpty)
        other.wait(300)
        #expect(other.outcomes == [.init([1], .behind)])
    }

    /// A life that nobody knows, of a node that has lived another one for long.
    @Test func forgotten() {
        var (bench, id) = Self.bench(members: [Self.member])
        let earlier = Origin(region: Bench.second.region, node: 0, incarnation: 99 << 48)
        bench.tell(Self.token(1, [Self.position(1, of: earlier)], timeout: 300))
        bench.wait(300)
        #expect(bench.outcomes == [.init([1], .behind)], "the connection may be older than its life")
        for _ in 0..<10 {
            bench.wait(1000)
            bench.receive(id, .heads(Heads(wall: bench.now.wall, sent: 1, echo: 0, held: 0, rows: [])))
        }
        bench.tell(Self.token(2, [Self.position(1, of: earlier)], timeout: 300))
        bench.wait(300)
        #expect(bench.outcomes == [.init([2], .lost)])
    }

    /// Two lives that cannot be told apart.
    @Test func twins() {
        var twin = Bench.second
        twin.incarnation |= 1 << 8
        var bench = Bench(rows: [Bench.row(Bench.second, 5, chain: 5), Bench.row(twin, 9, chain: 9, seal: 9)])
        bench.tell(Self.token(1, [Self.position(3)], timeout: 100))
        #expect(bench.outcomes.isEmpty)
        bench.wait(100)
        #expect(bench.outcomes == [.init([1], .behind)])
    }

    // MARK: Misses

    /// Who asks after the question was sent may know of what came after it was answered.
    @Test func anAnswerThatNothingIsThereServesOnlyWhoWasThere() {
        var (bench, id) = Self.bench()
        bench.tell(Self.miss(1))
        let first = bench.requests[0].number
        bench.tell(Self.miss(2))
        #expect(bench.requests.isEmpty)
        bench.receive(id, .linkAnswer(LinkAnswer(.notHere)), request: first)
        #expect(bench.outcomes == [.init([1], .absent)])
        #expect(bench.requests.count == 1)
        bench.receive(id, .linkAnswer(LinkAnswer(.here, record: [1])), request: bench.requests[0].number)
        #expect(bench.outcomes == [.init([2], .found([1], nil, by: Self.author))])
    }

    @Test func aRegionIsAskedNodeByNode() {
        let sibling = Origin(region: Bench.second.region, node: 1, incarnation: 44)
        var (bench, first) = Self.bench()
        let second = bench.connect(Self.hello(sibling))
        bench.tell(Self.miss(1, .region(Bench.second.region)))
        var asked: [ConnectionID] = []
        while let request = bench.requests.first {
            asked.append(request.connection)
            bench.receive(request.connection, .linkAnswer(LinkAnswer(.notHere)), request: request.number)
        }
        #expect(Set(asked) == [first, second] && asked.count == 2)
        #expect(bench.outcomes == [.init([1], .absent)])
        bench.tell(Self.miss(2, .region(UInt8(ascii: "3"))))
        #expect(bench.outcomes == [.init([2], .unreachable)])
    }

    /// As if no node could be reached: what is missed is so at once, and a token's entries may still come by themselves.
    @Test func nobodyIsAsked() {
        var (bench, _) = Self.bench()
        bench.tell(Self.miss(1, .nobody))
        #expect(bench.outcomes == [.init([1], .unreachable)])
        func token(_ id: UInt64, _ sequence: UInt64) -> Event {
            .lookUp(
                Lookup(id: id, code: Self.code, positions: [Self.position(sequence)], whom: .nobody, timeout: 1000))
        }
        bench.tell(token(2, 5))
        #expect(bench.outcomes == [.init([2], .covered)])
        bench.tell(token(3, 7))
        bench.tell(token(4, 8))
        #expect(bench.outcomes.isEmpty)
        bench.wait(300)
        bench.receive(ConnectionID(rawValue: 1), .entries(Bench.entries(6...7)))
        bench.applied(Bench.second, 7)
        #expect(bench.outcomes == [.init([3], .covered)])
        bench.wait(800)
        #expect(bench.outcomes == [.init([4], .behind)] && bench.requests.isEmpty)
    }

    /// Whose an alias is nobody can tell by its name.
    @Test func everyoneIsAskedAtOnce() {
        var (bench, first) = Self.bench()
        let second = bench.connect(Self.hello(Bench.third))
        bench.tell(Self.miss(1, .everyone))
        var requests = bench.requests
        #expect(Set(requests.map(\.connection)) == [first, second] && requests.count == 2)
        bench.receive(requests[0].connection, .linkAnswer(LinkAnswer(.notHere)), request: requests[0].number)
        #expect(bench.outcomes.isEmpty && bench.requests.isEmpty)
        bench.receive(requests[1].connection, .linkAnswer(LinkAnswer(.here, record: [4])), request: requests[1].number)
        #expect(bench.outcomes == [.init([1], .found([4], nil, by: NodeID(Bench.third)))])
        // The first that has it is enough.
        bench.tell(Self.miss(2, .everyone))
        requests = bench.requests
        bench.receive(requests[1].connection, .linkAnswer(LinkAnswer(.here, record: [5])), request: requests[1].number)
        #expect(bench.outcomes == [.init([2], .found([5], nil, by: NodeID(Bench.third)))])
        bench.receive(requests[0].connection, .linkAnswer(LinkAnswer(.notHere)), request: requests[0].number)
        #expect(bench.outcomes.isEmpty)
    }

    @Test func nobodyOfEveryoneHasIt() {
        var (bench, _) = Self.bench()
        let second = bench.connect(Self.hello(Bench.third))
        bench.tell(Self.miss(1, .everyone))
        for request in bench.requests {
            bench.receive(request.connection, .linkAnswer(LinkAnswer(.notHere)), request: request.number)
        }
        #expect(bench.outcomes == [.init([1], .absent)])
        // One says so, and one never answers.
        bench.tell(Self.miss(2, .everyone))
        let requests = bench.requests
        bench.receive(requests[0].connection, .linkAnswer(LinkAnswer(.notHere)), request: requests[0].number)
        #expect(bench.outcomes.isEmpty)
        bench.wait(300)
        #expect(bench.outcomes == [.init([2], .absent)])
        // One says that it cannot tell, and one is gone.
        bench.tell(Self.miss(3, .everyone))
        for request in bench.requests where request.connection != second {
            bench.receive(request.connection, .linkAnswer(LinkAnswer(.behind)), request: request.number)
        }
        #expect(bench.outcomes.isEmpty)
        bench.tell(.closed(second))
        #expect(bench.outcomes == [.init([3], .unreachable)])
    }

    /// Where two nodes dial each other, one connection ends before the other is open.
    @Test func whoIsAboutToBeThereIsWaitedFor() {
        var bench = Bench()
        let id = bench.open(certified: Self.author)
        bench.receive(id, .hello(Self.hello()))
        bench.tell(Self.miss(1))
        bench.tell(Self.miss(2, .region(Bench.second.region)))
        bench.tell(Self.miss(3, .everyone))
        #expect(bench.outcomes.isEmpty && bench.requests.isEmpty)
        bench.tell(Self.miss(4, .region(Bench.third.region)))
        #expect(bench.outcomes == [.init([4], .unreachable)])
        _ = bench.connect(Self.hello(Bench.third))
        #expect(bench.outcomes.isEmpty && bench.requests.map(\.request.positions.count) == [0], "another one's coming")
        bench.receive(id, .state(PeerState(credit: 4 << 20, rows: [])))
        let requests = bench.requests
        #expect(requests.map(\.connection) == [id, id])
        bench.receive(id, .linkAnswer(LinkAnswer(.here, record: [4])), request: requests[0].number)
        #expect(bench.outcomes == [.init([1], .found([4], nil, by: Self.author))])
        // Not for ever.
        var other = Bench()
        other.receive(other.open(certified: Self.author), .hello(Self.hello()))
        other.tell(Self.miss(1))
        other.wait(149)
        #expect(other.outcomes.isEmpty)
        other.wait(1)
        #expect(other.outcomes == [.init([1], .unreachable)])
    }

    /// Older programs take the frame for a mistake.
    @Test func oldProgramsAreNotAsked() {
        var bench = Bench()
        _ = bench.connect(Bench.hello(Bench.second))
        bench.tell(Self.miss(1))
        #expect(bench.requests.isEmpty && bench.outcomes == [.init([1], .unreachable)])
    }

    @Test func bounded() {
        var (bench, _) = Self.bench()
        for number in 0..<ReplicationLimits.lookups { bench.tell(Self.token(UInt64(number), [Self.position(7)])) }
        #expect(bench.outcomes.isEmpty)
        bench.tell(Self.token(5000, [Self.position(7)]))
        bench.tell(Self.miss(5001))
        #expect(bench.outcomes == [.init([5001], .unreachable)])
    }

    // MARK: Answering

    @Test func answers() {
        var (bench, id) = Self.bench()
        bench.receive(id, .linkRequest(LinkRequest(positions: [Self.position(6)], code: Self.code)), request: 8)
        #expect(bench.frames == [.linkAnswer(LinkAnswer(.behind))] && bench.sent[0].request == 8)
        bench.receive(id, .linkRequest(LinkRequest(positions: [Self.position(5)], code: Self.code)), request: 9)
        #expect(bench.effects.contains(.readLink(id, request: 9, code: Self.code)))
        bench.tell(.linkRead(id, request: 9, LinkAnswer(.notHere)))
        #expect(bench.frames == [.linkAnswer(LinkAnswer(.notHere))] && bench.sent[0].request == 9)
    }

    /// A node that has not what others have cannot say that something is not there.
    @Test func aNodeThatIsBehindDoesNotSayNo() {
        var bench = Bench(isFresh: true)
        let id = bench.connect(Self.hello(), state: [Bench.row(Bench.second, 5, chain: 5)])
        bench.tell(.linkRead(id, request: 9, LinkAnswer(.notHere)))
        #expect(bench.frames == [.linkAnswer(LinkAnswer(.behind))])
        bench.tell(.linkRead(id, request: 9, LinkAnswer(.here, record: [1])))
        #expect(bench.frames == [.linkAnswer(LinkAnswer(.here, record: [1]))])
    }
}

extension Bench {
    fileprivate struct Outcome: Equatable {
        let ids: [UInt64]
        let outcome: LookupOutcome
        init(_ ids: [UInt64], _ outcome: LookupOutcome) { (self.ids, self.outcome) = (ids, outcome) }
    }

    fileprivate var outcomes: [Outcome] {
        effects.compactMap { if case .lookedUp(let ids, let outcome) = $0 { Outcome(ids, outcome) } else { nil } }
    }

    fileprivate var requests: [(connection: ConnectionID, request: LinkRequest, number: UInt32)] {
        sent.compactMap { if case .linkRequest(let request) = $0.frame { ($0.id, request, $0.request) } else { nil } }
    }
}
