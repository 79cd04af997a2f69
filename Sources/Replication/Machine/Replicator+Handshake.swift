import Links
import Primitives

/// Who may speak. Before the proof a stranger changes nothing and raises no alarm: only cluster and version are looked
/// at, without which the proof could not be read.
extension Replicator {
    mutating func received(_ id: ConnectionID, _ bytes: [UInt8]) {
        guard let session = sessions[id] else { return }
        let limit = session.isAuthenticated ? WireLimits.payload : WireLimits.payloadBeforeAuthentication
        guard let (frame, request) = unsafe try? Frame.decode(bytes.span.bytes, limit: limit) else {
            return close(id, .malformed)
        }
        sessions[id]!.heardAt = now.ticks
        switch (session.phase, frame) {
        case (_, .reject(let reject)): refused(session, reject)
        case (.awaitingHello, .hello(let hello)):
            sessions[id]!.peerHello = Array(bytes.dropFirst(FrameHeader.sizeBytes))
            received(hello, sessions[id]!)
        case (.awaitingAuth, .auth(let auth)): received(auth, session)
        case (.awaitingState, .state(let state)): received(state, session)
        case (.open, let frame): dispatch(frame, request, session)
        default: close(id, .violation)
        }
        if sessions[id]?.isOpen == true { peers[session.node, default: PeerKnowledge()].heardAt = now.ticks }
    }

    private mutating func dispatch(_ frame: Frame, _ request: UInt32, _ session: PeerSession) {
        switch frame {
        case .entries(let entries): received(entries, session)
        case .ack(let ack): received(ack, session)
        case .heads(let heads): received(heads, session)
        case .pull(let pull): received(pull, session)
        case .digestsRequest(let node):
            effects.append(.readDigests(session.id, DigestRead(node: node, request: request)))
        case .digests(let digests): received(digests, request, session.id)
        case .bucketRequest(let bucket): effects.append(.readBucket(session.id, request: request, bucket))
        case .recordRequest(let record): effects.append(.readRecord(session.id, request: request, record))
        case .records(let records): received(records, request, session.id)
        case .snapshotRequest(let wanted): snapshotWanted(wanted, session, request)
        case .snapshotOffer(let offer): received(offer, request, session.id)
        case .snapshotChunk(let chunk): received(chunk, request, session.id)
        case .snapshotEnd(let end): received(end, request, session.id)
        case .linkRequest(let wanted): received(wanted, request, session)
        case .linkAnswer(let answer): received(answer, request, session)
        case .changeRequest(let wanted): received(wanted, request, session)
        case .changeAnswer(let answer): received(answer, request, session)
        case .hello, .auth, .state, .reject: close(session.id, .violation)
        case .prepare, .accept, .votes, .chosen, .epochs, .learn, .learned:
            effects.append(.registers(session.node, frame))
        }
    }

    mutating func sendHello(_ id: ConnectionID) {
        let hello = Hello(
            cluster: settings.cluster, origin: own, run: settings.run, versions: settings.versions,
            logFormat: settings.member.logFormat, nonce: sessions[id]!.nonce, wall: now.wall,
            secretCheck: settings.secretCheck, epoch: settings.epoch, regions: settings.regions)
        var payload: [UInt8] = []
        hello.encode(into: &payload)
        sessions[id]!.ownHello = payload
        send(id, .hello(hello))
    }

    private mutating func received(_ hello: Hello, _ session: PeerSession) {
        guard hello.cluster == settings.cluster else { return reject(session.id, .cluster, "another cluster") }
        guard hello.versions.overlaps(settings.versions) else {
            return reject(session.id, .version, "versions \(settings.versions) here, \(hello.versions) there")
        }
        sessions[session.id]!.hello = hello
        if session.role == .listener { sendHello(session.id) }
        if let certified = session.certified {
            guard certified == NodeID(hello.origin) else {
                return reject(session.id, .auth, "the certificate is \(certified)'s")
            }
            return admit(session.id)
        }
        sessions[session.id]!.phase = .awaitingAuth
        // The listener answers a proof, and gives none to a stranger.
        if session.role == .dialler { sendAuth(session.id) }
    }

    private mutating func sendAuth(_ id: ConnectionID) {
        let session = sessions[id]!
        let (dialler, listener) = session.hellos
        send(id, .auth(settings.proof.auth(of: session.role, dialler: dialler, listener: listener)))
    }

    private mutating func received(_ auth: Auth, _ session: PeerSession) {
        let (dialler, listener) = session.hellos
        let expected = settings.proof.auth(of: session.role.other, dialler: dialler, listener: listener)
        // All bytes are looked at, however many differ.
        var difference: UInt8 = 0
        for (left, right) in zip(auth.mac, expected.mac) { difference |= left ^ right }
        guard difference == 0 else { return reject(session.id, .auth, "the proof is wrong: not the same secret") }
        if session.role == .listener { sendAuth(session.id) }
        admit(session.id)
    }

    /// The peer is who it says; may it stay?
    private mutating func admit(_ id: ConnectionID) {
        let session = sessions[id]!
        let hello = session.hello!
        // The offset counts even if the clocks are so far apart that the connection is refused.
        if session.node != settings.member.id { noteClock(session.node, hello.wall) }
        if let (reason, detail) = objection(hello) {
            noteObjection(reason, session)
            return reject(id, reason, detail)
        }
        guard settleDuplicates(session) else { return close(id, .duplicateConnection) }
        sessions[id]!.phase = .awaitingState
        if let address = session.address { dials[address]?.node = session.node }
        effects.append(.authenticated(id, session.node))
        endOlderLives(session.peer)
        send(id, .state(PeerState(credit: session.granted, rows: rows.values.sorted { $0.origin < $1.origin })))
    }

    /// Who dialled hears no REJECT where it objects itself, so this is where an operator is told.
    private mutating func noteObjection(_ reason: Reject.Reason, _ session: PeerSession) {
        if reason == .duplicateNode { noteTwin(session.node) }
        guard let address = session.address else { return }
        switch reason {
        case .own: dials[address]?.phase = .own
        case .cluster, .auth, .version, .codeSecret, .characterMap, .skew, .logFormat:
            raise(.rejected(reason, by: address))
        case .duplicateNode, .retired, .busy: break
        }
    }

    private func objection(_ hello: Hello) -> (Reject.Reason, String)? {
        let node = NodeID(hello.origin)
        if node == settings.member.id {
            return hello.run == settings.run
                ? (.own, "this node itself") : (.duplicateNode, "\(node) is this node's id")
        }
        if members[node]?.isRetired == true { return (.retired, "\(node) is retired") }
        if hello.secretCheck != settings.secretCheck { return (.codeSecret, "the code secrets differ") }
        if hello.logFormat < readableFormat {
            return (.logFormat, "members write log format \(readableFormat), \(node) reads up to \(hello.logFormat)")
        }
        if hello.regions != settings.regions { return (.characterMap, "the regions' characters differ") }
        if abs(hello.wall.millisecondsSince(now.wall)) > ReplicationLimits.refusedSkew {
            return (.skew, "clocks differ by \(hello.wall.millisecondsSince(now.wall)) ms")
        }
        // A silent one too, until the silence closes it: a machine that stood still for a moment must not lose its place.
        let twin = sessions.values.contains { $0.isAuthenticated && $0.node == node && $0.hello!.run != hello.run }
        return twin ? (.duplicateNode, "another live node is \(node)") : nil
    }

    /// Of two connections to one process the one that the smaller id dialled stays; of two in the same direction the
    /// newer. Whether this one stays.
    private mutating func settleDuplicates(_ session: PeerSession) -> Bool {
        let smallerDials = settings.member.id < session.node ? Role.dialler : .listener
        for id in sessionIDs
        where id != session.id && sessions[id]!.isAuthenticated && sessions[id]!.node == session.node {
            let other = sessions[id]!
            if other.hello!.run == session.hello!.run, other.role != session.role, other.role == smallerDials {
                if let address = session.address { dials[address]?.node = session.node }
                if other.isOpen { clearRejections(of: session.node) }
                return false
            }
            close(id, .duplicateConnection)
        }
        return true
    }

    private mutating func noteTwin(_ node: NodeID) {
        twinSeenAt[node] = now.ticks
        raise(.duplicateNode(node))
    }

    /// Nobody says that one of the two has gone: they try again and again while both are there.
    mutating func forgetTwins() {
        for node in twinSeenAt.keys.sorted()
        where now.ticks - twinSeenAt[node]! >= ReplicationLimits.twinMemory {
            twinSeenAt[node] = nil
            clear(.duplicateNode(node))
        }
    }

    /// The two agree, whoever of them dialled the connection that stays.
    mutating func clearRejections(of node: NodeID) {
        for address in dials.keys.sorted() where dials[address]!.node == node {
            for reason in Reject.Reason.allCases { clear(.rejected(reason, by: address)) }
        }
    }

    mutating func reject(_ id: ConnectionID, _ reason: Reject.Reason, _ detail: String) {
        counters.rejected += 1
        send(id, .reject(Reject(reason, detail)))
        close(id, .rejected(reason))
    }

    /// The other side says no. Believed from whoever is at the address that was dialled; a stranger who came in says
    /// nothing that counts.
    private mutating func refused(_ session: PeerSession, _ reject: Reject) {
        if let address = session.address {
            if reject.reason == .own, session.hello?.run == settings.run {
                dials[address]?.phase = .own
            } else if reject.reason != .busy {
                raise(.rejected(reject.reason, by: address))
            }
        }
        if session.hello != nil, session.address != nil || session.isAuthenticated {
            if reject.reason == .duplicateNode { noteTwin(settings.member.id) }
            if reject.reason == .retired { raise(.retired) }
        }
        close(session.id, .refused(reject.reason))
    }
}
