import Links
import Primitives
import Testing

@testable import Replication

/// Changes that clients ask one node for and another one makes.
struct ForwardingTests {
    private static let author = NodeID(Bench.second)
    private static let made = ChangeAnswer(.made, at: position(9), record: [4])

    private static func hello(_ origin: Origin = Bench.second) -> Hello {
        var hello = Bench.hello(origin, run: UInt64(origin.region))
        hello.versions = 1...2
        return hello
    }

    private static func position(_ sequence: UInt64, of origin: Origin = Bench.second) -> LogPosition {
        LogPosition(LifeTag(origin)!, sequence)
    }

    private static func request(_ positions: [LogPosition] = [], bytes: Int = 1) -> ChangeRequest {
        ChangeRequest(
            positions: positions, ifMatch: Array("*".utf8), owner: [], key: [3, 97],
            change: Array(repeating: 1, count: bytes))
    }

    private static func forward(
        _ id: UInt64, to whom: Forward.Whom = .decider(of: author), bytes: Int = 1, timeout: Int64 = 1000
    ) -> Event {
        .forward(Forward(id: id, whom: whom, request: request(bytes: bytes), timeout: timeout))
    }

    private static func member(_ origin: Origin, node: UInt8 = 0, isWitness: Bool = false, isRetired: Bool = false)
        -> Member
    {
        Member(
            id: NodeID(region: origin.region, node: node), addresses: [], isWitness: isWitness, logFormat: 1,
            isRetired: isRetired)
    }

    /// A machine with `second` up to 5 and a connection to it.
    private static func bench(members: [Member] = []) -> (Bench, ConnectionID) {
        var bench = Bench(rows: [Bench.row(Bench.second, 5, chain: 5)], members: members)
        let id = bench.connect(hello(), state: [Bench.row(Bench.second, 5, chain: 5)])
        return (bench, id)
    }

    // MARK: To others

    @Test func answered() {
        var (bench, id) = Self.bench()
        bench.tell(Self.forward(1))
        let asked = bench.asked
        #expect(asked.map(\.connection) == [id] && asked.map(\.request) == [Self.request()])
        bench.tell(Self.forward(2, to: .holder(Self.author)))
        #expect(bench.asked.count == 1 && bench.asked[0].number != asked[0].number)
        bench.receive(id, .changeAnswer(Self.made), request: asked[0].number)
        #expect(bench.forwarded == [.init(1, .answered(Self.made))])
        // Once.
        bench.receive(id, .changeAnswer(Self.made), request: asked[0].number)
        #expect(bench.forwarded.isEmpty)
    }

    /// What nobody asked that peer for is no answer, and ends nothing.
    @Test func answersWithoutAQuestion() {
        var (bench, id) = Self.bench()
        let other = bench.connect(Self.hello(Bench.third))
        bench.tell(Self.forward(1))
        let number = bench.asked[0].number
        bench.receive(other, .changeAnswer(Self.made), request: number)
        bench.receive(id, .changeAnswer(Self.made), request: number + 1)
        #expect(bench.forwarded.isEmpty && bench.closes.isEmpty)
        bench.receive(id, .changeAnswer(Self.made), request: number)
        #expect(bench.forwarded.count == 1)
    }

    /// Nobody is asked: nothing was changed. Older programs take the frame for a mistake.
    @Test func unreachable() {
        var bench = Bench()
        bench.tell(Self.forward(1))
        #expect(bench.forwarded == [.init(1, .unreachable)])
        _ = bench.connect(Bench.hello(Bench.second))
        bench.tell(Self.forward(2))
        #expect(bench.asked.isEmpty && bench.forwarded == [.init(2, .unreachable)])
    }

    /// Somebody was asked: nobody knows.
    @Test func unanswered() {
        var (bench, id) = Self.bench()
        bench.tell(Self.forward(1, timeout: 300))
        let number = bench.asked[0].number
        bench.wait(299)
        #expect(bench.forwarded.isEmpty)
        bench.wait(1)
        #expect(bench.forwarded == [.init(1, .unanswered)])
        bench.receive(id, .changeAnswer(Self.made), request: number)
        #expect(bench.forwarded.isEmpty)
        bench.tell(Self.forward(2))
        bench.tell(.closed(id))
        #expect(bench.forwarded == [.init(2, .unanswered)])
    }

    @Test func bounded() {
        var (bench, id) = Self.bench()
        for number in 0..<ReplicationLimits.forwards { bench.tell(Self.forward(UInt64(number))) }
        #expect(bench.forwarded.isEmpty)
        let last = bench.asked[0].number
        bench.tell(Self.forward(5000))
        #expect(bench.forwarded == [.init(5000, .overloaded)] && bench.asked.isEmpty)
        bench.receive(id, .changeAnswer(Self.made), request: last)
        bench.tell(Self.forward(5001))
        #expect(bench.forwarded.isEmpty && bench.asked.count == 1)
        var (other, _) = Self.bench()
        let size = 60_000
        let fitting = UInt64(ReplicationLimits.forwardedBytes / size)
        for number in 0..<fitting { other.tell(Self.forward(number, bytes: size)) }
        #expect(other.forwarded.isEmpty)
        other.tell(Self.forward(fitting, bytes: size))
        #expect(other.forwarded == [.init(fitting, .overloaded)])
        other.tell(Self.forward(fitting + 1, bytes: 100))
        #expect(other.asked.count == 1)
    }

    /// One decides, and all know who.
    @Test func deciders() {
        let (second, third) = (Bench.second, Bench.third)
        func decider(of node: NodeID, _ members: Member...) -> NodeID {
            Bench(members: members).machine.decider(of: node)
        }
        let gone = Self.member(second, isRetired: true)
        #expect(decider(of: Self.author) == Self.author, "who is not known of yet may come")
        #expect(decider(of: Self.author, Self.member(second)) == Self.author)
        let sibling = NodeID(region: second.region, node: 2)
        #expect(
            decider(
                of: Self.author, gone, Self.member(second, node: 4), Self.member(second, node: 2),
                Self.member(second, node: 1, isWitness: true), Self.member(second, node: 3, isRetired: true),
                Self.member(third)) == sibling)
        #expect(decider(of: Self.author, gone, Self.member(third)) == Bench.id)
        var bench = Bench(members: [gone, Self.member(third)])
        bench.tell(Self.forward(1))
        #expect(bench.forwarded == [.init(1, .own)])
        // In a later life it is the same node.
        var later = second
        later.incarnation += 1
        let id = bench.connect(Self.hello(third))
        bench.tell(Self.forward(2, to: .decider(of: NodeID(third))))
        #expect(bench.asked.map(\.connection) == [id])
    }

    // MARK: From others

    @Test func makesThem() {
        var (bench, id) = Self.bench()
        let wanted = Self.request([Self.position(5)])
        bench.receive(id, .changeRequest(wanted), request: 8)
        #expect(bench.effects.contains(.change(id, request: 8, wanted)))
        bench.tell(.changed(id, request: 8, Self.made))
        #expect(bench.frames == [.changeAnswer(Self.made)] && bench.sent[0].request == 8)
        // Whoever asked is gone.
        bench.receive(id, .changeRequest(wanted), request: 9)
        bench.tell(.closed(id))
        bench.tell(.changed(id, request: 9, Self.made))
        #expect(bench.frames.isEmpty)
    }

    /// What its client knows of comes in time, or not.
    @Test func waitsForPositions() {
        var (bench, id) = Self.bench()
        let wanted = Self.request([Self.position(6)])
        bench.receive(id, .changeRequest(wanted), request: 8)
        #expect(bench.changes.isEmpty && bench.frames.isEmpty)
        bench.receive(id, .entries(Bench.entries(6...6)))
        bench.applied(Bench.second, 6)
        #expect(bench.changes == [8])
        bench.tell(.changed(id, request: 8, Self.made))
        bench.receive(id, .changeRequest(Self.request([Self.position(7)])), request: 9)
        bench.wait(ReplicationLimits.changeWait - 1)
        #expect(bench.answers.isEmpty)
        bench.wait(1)
        #expect(bench.answers == [ChangeAnswer(.behind)] && bench.changes.isEmpty)
        // Whoever asked is gone: it is not made.
        bench.receive(id, .changeRequest(Self.request([Self.position(7)])), request: 10)
        bench.tell(.closed(id))
        bench.applied(Bench.second, 7)
        #expect(bench.changes.isEmpty)
    }

    @Test func aNodeThatIsBehindMakesNone() {
        var bench = Bench(isFresh: true)
        let id = bench.connect(Self.hello(), state: [Bench.row(Bench.second, 5, chain: 5)])
        bench.receive(id, .changeRequest(Self.request()), request: 9)
        #expect(bench.answers == [ChangeAnswer(.behind)] && bench.changes.isEmpty)
    }

    @Test func takesNoMoreThanItCan() {
        var (bench, id) = Self.bench()
        for number in 1...ReplicationLimits.forwards {
            bench.receive(id, .changeRequest(Self.request()), request: UInt32(number))
            #expect(bench.changes.count == 1)
        }
        bench.receive(id, .changeRequest(Self.request()), request: 5000)
        #expect(bench.answers == [ChangeAnswer(.overloaded)] && bench.changes.isEmpty)
        bench.tell(.changed(id, request: 1, Self.made))
        bench.receive(id, .changeRequest(Self.request()), request: 5001)
        #expect(bench.changes == [5001])
        // A number that has no answer yet.
        bench.receive(id, .changeRequest(Self.request()), request: 5001)
        #expect(bench.closes == [.violation])
        var (other, peer) = Self.bench()
        let size = 60_000
        for number in 0..<UInt32(ReplicationLimits.forwardedBytes / size) {
            other.receive(peer, .changeRequest(Self.request(bytes: size)), request: number)
        }
        #expect(other.answers.isEmpty)
        other.receive(peer, .changeRequest(Self.request(bytes: size)), request: 99)
        #expect(other.answers == [ChangeAnswer(.overloaded)])
    }
}

extension Bench {
    fileprivate struct Outcome: Equatable {
        let id: UInt64
        let outcome: ForwardOutcome
        init(_ id: UInt64, _ outcome: ForwardOutcome) { (self.id, self.outcome) = (id, outcome) }
    }

    fileprivate var forwarded: [Outcome] {
        effects.compactMap { if case .forwarded(let id, let outcome) = $0 { Outcome(id, outcome) } else { nil } }
    }

    fileprivate var asked: [(connection: ConnectionID, request: ChangeRequest, number: UInt32)] {
        sent.compactMap { if case .changeRequest(let request) = $0.frame { ($0.id, request, $0.request) } else { nil } }
    }

    fileprivate var answers: [ChangeAnswer] {
        frames.compactMap { if case .changeAnswer(let answer) = $0 { answer } else { nil } }
    }

    /// The numbers of peers' requests that the store is to carry out.
    fileprivate var changes: [UInt32] {
        effects.compactMap { if case .change(_, let request, _) = $0 { request } else { nil } }
    }
}
