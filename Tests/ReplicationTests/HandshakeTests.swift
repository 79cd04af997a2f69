import Links
import Primitives
import Testing

@testable import Replication

struct HandshakeTests {
    /// HELLO of a stranger, and the machine's answer.
    private func greet(_ bench: inout Bench, _ hello: Hello) -> (id: ConnectionID, theirs: [UInt8])? {
        let id = bench.open()
        bench.receive(id, .hello(hello))
        guard case .hello(let own)? = bench.frames.first else { return nil }
        return (id, Bench.payload(.hello(own)))
    }

    private func proof(_ role: Role, dialler: Hello, listener: [UInt8]) -> Frame {
        .auth(Bench.proof.auth(of: role, dialler: Bench.payload(.hello(dialler)), listener: listener))
    }

    private func rejects(_ bench: Bench) -> [Reject.Reason] {
        bench.frames.compactMap { if case .reject(let reject) = $0 { reject.reason } else { nil } }
    }

    @Test func listener() throws {
        var bench = Bench()
        #expect(bench.open().rawValue == 1 && bench.frames == [], "a listener says nothing first")
        let hello = Bench.hello()
        let (id, listener) = try #require(greet(&bench, hello))
        #expect(bench.frames.map(\.type) == [.hello], "and proves nothing to a stranger")
        bench.receive(id, proof(.dialler, dialler: hello, listener: listener))
        #expect(bench.frames.map(\.type) == [.auth, .state])
        #expect(bench.frames.first == proof(.listener, dialler: hello, listener: listener))
        #expect(bench.effects.contains(.authenticated(id, NodeID(Bench.second))))
        bench.receive(id, .state(PeerState(credit: 0, rows: [])))
        #expect(bench.closes == [])
    }

    @Test func dialler() {
        var bench = Bench()
        #expect(bench.effects.contains(.connect(address: "b")) && bench.effects.contains(.connect(address: "c")))
        let id = bench.open(address: "b")
        guard case .hello(let own)? = bench.frames.first else { return #expect(Bool(false)) }
        var hello = Bench.hello()
        hello.nonce = 99
        bench.receive(id, .hello(hello))
        let theirs = Bench.payload(.hello(hello))
        #expect(bench.frames == [proof(.dialler, dialler: own, listener: theirs)])
        bench.receive(id, proof(.listener, dialler: own, listener: theirs))
        #expect(bench.frames.map(\.type) == [.state])
    }

    /// Without the proof only cluster and version are looked at, and nothing is alarmed.
    @Test func beforeTheProof() {
        let table: [(Reject.Reason?, (inout Hello) -> Void)] = [
            (.cluster, { $0.cluster = [1] }), (.version, { $0.versions = 3...9 }),
            (nil, { $0.secretCheck = 0 }), (nil, { $0.regions = [] }), (nil, { $0.origin = Bench.own }),
            (nil, { $0.wall = Instant(milliseconds: 5) }),
        ]
        for (reason, change) in table {
            var (bench, hello) = (Bench(), Bench.hello())
            change(&hello)
            let id = bench.open()
            bench.receive(id, .hello(hello))
            #expect(rejects(bench) == [reason].compactMap { $0 })
            #expect(bench.alarms == [])
            #expect(bench.closes == [reason].compactMap { $0 }.map { .rejected($0) })
        }
    }

    @Test func afterTheProof() throws {
        let table: [(Reject.Reason, (inout Hello) -> Void)] = [
            (.codeSecret, { $0.secretCheck = 0 }), (.characterMap, { $0.regions.removeLast() }),
            (.own, { ($0.origin, $0.run) = (Bench.own, 1) }), (.duplicateNode, { $0.origin = Bench.own }),
            (.skew, { $0.wall = $0.wall.advanced(byMilliseconds: 86_400_001) }),
            (.skew, { $0.wall = $0.wall.advanced(byMilliseconds: -86_400_001) }),
            (.retired, { $0.origin = Bench.third }),
        ]
        for (reason, change) in table {
            let gone = Member(id: NodeID(Bench.third), addresses: [], logFormat: 1, isRetired: true)
            var (bench, hello) = (Bench(members: [gone]), Bench.hello())
            change(&hello)
            let (id, listener) = try #require(greet(&bench, hello))
            bench.receive(id, proof(.dialler, dialler: hello, listener: listener))
            #expect(rejects(bench) == [reason] && bench.closes == [.rejected(reason)])
            #expect(bench.alarms == (reason == .duplicateNode ? [.duplicateNode(Bench.id)] : []))
            #expect(!bench.frames.contains { $0.type == .state })
        }
    }

    /// Whose program does not read what the members write by now is turned away, and told why; of the same node a newer one is
    /// let in.
    @Test func olderLogFormatThanIsWritten() throws {
        let member = Member(id: NodeID(Bench.second), addresses: [], logFormat: 2)
        for (role, address) in [("accepted", nil), ("dialled", "b")] as [(String, String?)] {
            var bench = Bench(members: [member], peers: [], logFormat: 3)
            #expect(bench.machine.status.format == 2)
            for (format, isRefused) in [(1, true), (2, false)] as [(UInt16, Bool)] {
                var hello = Bench.hello()
                hello.logFormat = format
                let id = bench.open(address: address, certified: member.id)
                bench.receive(id, .hello(hello))
                #expect(rejects(bench) == (isRefused ? [.logFormat] : []), "\(role) \(format)")
                let alarms: [Alarm] = isRefused && address != nil ? [.rejected(.logFormat, by: "b")] : []
                #expect(bench.alarms == alarms, "\(role) \(format)")
            }
        }
    }

    /// The alarm of an address goes with the next agreement, also where the connection that stays is the other one's.
    @Test func alarmOfADialThatGivesWay() {
        let smaller = Origin(region: UInt8(ascii: "0"), node: 0, incarnation: 44)
        var (bench, hello) = (Bench(), Bench.hello(smaller, run: 9))
        let agreed = hello.secretCheck
        hello.secretCheck = 0
        bench.receive(bench.open(address: "b", certified: NodeID(smaller)), .hello(hello))
        let alarm = Alarm.rejected(.codeSecret, by: "b")
        #expect(bench.alarms == [alarm])
        hello.secretCheck = agreed
        let accepted = bench.connect(hello)
        #expect(bench.effects.contains(.admitted(accepted, NodeID(smaller))))
        bench.receive(bench.open(address: "b", certified: NodeID(smaller)), .hello(hello))
        #expect(bench.closes == [.duplicateConnection] && bench.effects.contains(.cleared(alarm)))
        #expect(!bench.effects.contains { if case .admitted = $0 { true } else { false } })
    }

    /// Who dialled finds the same before a REJECT can come, and tells the operator, though the address was taken out of
    /// the list meanwhile.
    @Test func afterTheProofOfWhoWasDialled() throws {
        let table: [(Alarm?, (inout Hello) -> Void)] = [
            (.rejected(.codeSecret, by: "b"), { $0.secretCheck = 0 }),
            (.rejected(.characterMap, by: "b"), { $0.regions.removeLast() }),
            (.rejected(.skew, by: "b"), { $0.wall = $0.wall.advanced(byMilliseconds: 86_400_001) }),
            (.duplicateNode(Bench.id), { $0.origin = Bench.own }), (nil, { ($0.origin, $0.run) = (Bench.own, 1) }),
            (nil, { $0.origin = Bench.third }),
        ]
        for (alarm, change) in table {
            let gone = Member(id: NodeID(Bench.third), addresses: [], logFormat: 1, isRetired: true)
            var (bench, hello) = (Bench(members: [gone]), Bench.hello())
            change(&hello)
            let id = bench.open(address: "b", certified: NodeID(hello.origin))
            bench.tell(.command(.peers([])))
            bench.receive(id, .hello(hello))
            #expect(rejects(bench).count == 1 && bench.alarms == [alarm].compactMap { $0 }, "\(hello)")
        }
    }

    @Test func proofsOfWhichABitDiffers() throws {
        let hello = Bench.hello()
        for bit in 0..<256 {
            var bench = Bench()
            let (id, listener) = try #require(greet(&bench, hello))
            guard case .auth(var auth) = proof(.dialler, dialler: hello, listener: listener) else { return }
            auth.mac[bit / 8] ^= 1 << (bit % 8)
            bench.receive(id, .auth(auth))
            #expect(rejects(bench) == [.auth])
        }
    }

    @Test func wrongReplayedAndReflectedProofs() throws {
        let hello = Bench.hello()
        var bench = Bench()
        let (first, listener) = try #require(greet(&bench, hello))
        let recorded = proof(.dialler, dialler: hello, listener: listener)
        bench.receive(first, .auth(Auth(mac: [UInt8](repeating: 0, count: 32))))
        #expect(rejects(bench) == [.auth])
        // The same HELLO and proof again: the nonce of the answer is another.
        let (second, _) = try #require(greet(&bench, hello))
        bench.receive(second, recorded)
        #expect(rejects(bench) == [.auth])
        // The proof that the node itself would give for this exchange.
        let (third, again) = try #require(greet(&bench, hello))
        bench.receive(third, proof(.listener, dialler: hello, listener: again))
        #expect(rejects(bench) == [.auth])
        // Its own HELLO and proof, sent back to it.
        let dialled = bench.open(address: "b")
        guard case .hello(let own)? = bench.frames.first else { return #expect(Bool(false)) }
        bench.receive(dialled, .hello(own))
        let reflected = bench.frames[0]
        bench.receive(dialled, reflected)
        #expect(rejects(bench) == [.auth])
        #expect(!bench.effects.contains { if case .authenticated = $0 { true } else { false } })
    }

    @Test func certificateNamesAnother() {
        var bench = Bench()
        let id = bench.open(certified: NodeID(Bench.third))
        bench.receive(id, .hello(Bench.hello()))
        #expect(rejects(bench) == [.auth])
    }

    @Test func tooManyStrangers() {
        var bench = Bench()
        for _ in 0..<64 {
            _ = bench.open()
            #expect(rejects(bench) == [])
        }
        _ = bench.open()
        #expect(rejects(bench) == [.busy])
        bench.wait(5000)
        #expect(bench.closes.count == 64 && bench.closes.allSatisfy { $0 == .authenticationTimeout })
        _ = bench.open()
        #expect(rejects(bench) == [])
    }

    @Test func silenceCloses() {
        var bench = Bench()
        let id = bench.connect()
        for _ in 0..<4 {
            bench.wait(9000)
            bench.receive(id, .heads(Heads(wall: bench.now.wall, sent: 1, echo: 0, held: 0, rows: [])))
            #expect(bench.closes == [])
        }
        bench.wait(10_000)
        #expect(bench.closes == [.silence])
    }

    @Test func framesOutOfPlace() {
        for frame in Samples.frames where ![.hello, .reject].contains(frame.type) {
            var bench = Bench()
            let id = bench.open()
            bench.receive(id, frame)
            #expect(bench.closes == [.violation], "\(frame.type)")
        }
        var bench = Bench()
        let id = bench.connect()
        bench.receive(id, .hello(Bench.hello()))
        #expect(bench.closes == [.violation])
        let other = bench.connect(Bench.hello(Bench.third, run: 3))
        bench.tell(.received(other, [1, 2, 3]))
        #expect(bench.closes == [.malformed])
    }

    /// A stranger's frame above 4 KiB is refused whatever it holds.
    @Test func largeFrameBeforeAuthentication() {
        var (bench, hello) = (Bench(), Bench.hello())
        hello.later = [UInt8](repeating: 0, count: 5000)
        let id = bench.open()
        bench.receive(id, .hello(hello))
        #expect(bench.closes == [.malformed])
    }

    // MARK: Two of one

    /// The second of two live nodes with one id is refused, and both know; one that is silent for too long gives way.
    @Test func twoLiveNodesWithOneID() {
        var bench = Bench()
        _ = bench.connect()
        let twin = Bench.hello(Origin(region: 0x32, node: 0, incarnation: 99), run: 3)
        bench.wait(ReplicationLimits.silenceTimeout - 1)
        let refused = bench.open(certified: NodeID(Bench.second))
        bench.receive(refused, .hello(twin))
        #expect(rejects(bench) == [.duplicateNode] && bench.alarms == [.duplicateNode(NodeID(Bench.second))])
        bench.wait(1)
        #expect(bench.closes == [.silence])
        let taken = bench.open(certified: NodeID(Bench.second))
        bench.receive(taken, .hello(twin))
        #expect(bench.closes == [])
        #expect(bench.effects.contains(.authenticated(taken, NodeID(Bench.second))))

        var other = Bench()
        let id = other.open(address: "b")
        other.receive(id, .hello(Bench.hello()))
        other.receive(id, .reject(Reject(.duplicateNode, "another live node is 1/0")))
        #expect(other.alarms.contains(.duplicateNode(Bench.id)))
    }

    /// The alarm stands while the second comes again and again, and ends when it has come no more for a while.
    @Test func oneOfTwoGoes() {
        let (member, memory) = (NodeID(Bench.second), ReplicationLimits.twinMemory)
        let twin = Bench.hello(Origin(region: 0x32, node: 0, incarnation: 99), run: 3)
        var bench = Bench()
        let stays = bench.connect()
        func wait(_ milliseconds: Int64) -> [Effect] {
            var effects: [Effect] = []
            for _ in 0..<milliseconds / 1000 {
                effects += bench.wait(1000)
                effects += bench.receive(
                    stays, .heads(Heads(wall: bench.now.wall, sent: 1, echo: 0, held: 0, rows: [])))
            }
            return effects
        }
        for attempt in 0..<3 {
            bench.receive(bench.open(certified: member), .hello(twin))
            #expect(rejects(bench) == [.duplicateNode])
            #expect(bench.alarms == (attempt == 0 ? [.duplicateNode(member)] : []))
            let effects = wait(memory - 1000)
            #expect(!effects.contains(.cleared(.duplicateNode(member))))
        }
        let end = wait(1000)
        #expect(end.contains(.cleared(.duplicateNode(member))))
        bench.receive(bench.open(certified: member), .hello(twin))
        #expect(bench.alarms == [.duplicateNode(member)])

        // Who was refused, and is let in then.
        var refused = Bench()
        refused.receive(refused.open(address: "b"), .hello(Bench.hello()))
        refused.receive(ConnectionID(rawValue: refused.lastID), .reject(Reject(.duplicateNode, "another")))
        refused.wait(memory - 1)
        #expect(!refused.effects.contains(.cleared(.duplicateNode(Bench.id))))
        refused.wait(1)
        #expect(refused.effects.contains(.cleared(.duplicateNode(Bench.id))))
    }

    // MARK: Dialling

    @Test func backOffDoublesWithJitter() {
        var (bench, delays) = (Bench(peers: ["b"]), [Int64]())
        for failure in 0..<12 {
            bench.tell(.connectFailed(address: "b"))
            let start = bench.now.ticks
            while !bench.effects.contains(.connect(address: "b")) { bench.wait(10) }
            let whole = min(ReplicationLimits.firstBackOff << Int64(failure), ReplicationLimits.longestBackOff)
            delays.append(bench.now.ticks - start)
            #expect((whole / 2...whole * 3 / 2 + 10).contains(delays.last!), "failure \(failure)")
        }
        #expect(Set(delays.suffix(6)).count > 1, "no jitter: \(delays)")
    }

    @Test func ownAddressIsNotDialledAgain() {
        var bench = Bench(peers: ["a"])
        let id = bench.open(address: "a")
        bench.receive(id, .hello(Bench.hello(Bench.own, run: 1)))
        bench.receive(id, .reject(Reject(.own, "")))
        for _ in 0..<100 {
            bench.wait(1000)
            #expect(!bench.effects.contains(.connect(address: "a")))
        }
        #expect(bench.machine.isReady, "a node without peers waits for none")
    }

    /// A connected node's other addresses are left alone until it is gone.
    @Test func connectedNodeIsNotDialled() {
        let member = Member(id: NodeID(Bench.second), addresses: ["b2"], logFormat: 1)
        var bench = Bench(members: [member], peers: [])
        let id = bench.connect()
        bench.tell(.connectFailed(address: "b2"))
        for _ in 0..<15 {
            bench.wait(1900)
            bench.receive(id, .heads(Heads(wall: bench.now.wall, sent: 1, echo: 0, held: 0, rows: [])))
            #expect(!bench.effects.contains(.connect(address: "b2")))
        }
        bench.tell(.closed(id))
        bench.wait(ReplicationLimits.longestBackOff)
        #expect(bench.effects.contains(.connect(address: "b2")))
    }

    /// Addresses come and go with the configuration; who is connected stays.
    @Test func addressesOfTheConfiguration() {
        var bench = Bench(peers: ["a"])
        #expect(bench.effects.contains(.connect(address: "a")))
        bench.tell(.command(.peers(["b"])))
        bench.wait(1)
        #expect(bench.effects.contains(.connect(address: "b")))
        bench.tell(.connectFailed(address: "a"))
        for _ in 0..<20 {
            bench.wait(ReplicationLimits.longestBackOff)
            #expect(!bench.effects.contains(.connect(address: "a")))
        }
        let id = bench.open(address: "b")
        bench.tell(.command(.peers([])))
        #expect(!bench.closes.contains { _ in true })
        bench.tell(.closed(id))
        bench.wait(ReplicationLimits.longestBackOff)
        #expect(!bench.effects.contains(.connect(address: "b")))
    }

    @Test func limitsFitTogether() { ReplicationLimits.check() }
}
