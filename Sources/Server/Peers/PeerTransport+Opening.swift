import CLinux
import Glibc
import Replication

/// Connections as they come to be: dialled or accepted, then the handshake of TLS.
extension PeerTransport {
    // MARK: Dialling

    /// Dials `host:port` or `[v6]:port`. `Event.opened` or `Event.connectFailed` follows.
    package func connect(_ address: String) {
        var dial = Dial(address: address, deadline: now + settings.limits.connectTimeout)
        guard let authority = Authority(address[...]), let port = authority.port, port > 0 else {
            return fail(dial, "it is not HOST:PORT")
        }
        guard connections.count + lookups.count < TransportLimits.connections else {
            return fail(dial, "there are \(TransportLimits.connections) connections already", .tooManyConnections)
        }
        if case .success(let addresses) = SocketAddress.resolve(authority.host, port: port, isLiteral: true) {
            dial.candidates = addresses
            return tryNext(dial)
        }
        let question = nextNumber()
        lookups[question] = dial
        if !resolver.ask(question, host: authority.host, port: port) {
            lookups[question] = nil
            fail(dial, "its name cannot be looked up: too many are, or the system gives no more threads")
        }
    }

    func resolved(_ answer: PeerResolver.Answer) {
        guard var dial = lookups.removeValue(forKey: answer.question) else { return }
        switch answer.addresses {
        case .success(let addresses):
            dial.candidates = addresses
            tryNext(dial)
        case .failure(let error): fail(dial, error.description)
        }
    }

    private func tryNext(_ dial: Dial) {
        var dial = dial
        while !dial.candidates.isEmpty {
            let target = dial.candidates.removeFirst()
            if settings.tls == nil, !settings.allowsPlaintext, !target.host.isLoopback {
                counted.refusedConnections += 1
                (dial.failure, dial.failureKind) = (Self.plaintextReason(target.host), .plaintextRefused)
                continue
            }
            guard let failure = start(target, dial) else { return }
            (dial.failure, dial.failureKind) = (failure, .unreachable)
        }
        fail(dial, dial.failure, dial.failureKind)
    }

    /// Nil if it has begun, else why it cannot.
    private func start(_ target: SocketAddress, _ dial: Dial) -> String? {
        let type = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let descriptor = socket(target.family, type, 0)
        guard descriptor >= 0 else { return "\(target): \(String(cString: strerror(errno)))" }
        let id = ConnectionID(rawValue: nextNumber())
        let connection = PeerConnection(id, descriptor, .connecting(dial), dialled: dial.address, target)
        System.setNoDelay(descriptor)
        let code = target.withPointer { Glibc.connect(descriptor, $0, $1) }
        guard code == 0 || errno == EINPROGRESS else { return "\(target): \(String(cString: strerror(errno)))" }
        connection.deadline = now + (dial.deadline - now) / Int64(dial.candidates.count + 1)
        connection.interest = EPOLLOUT
        guard set.add(descriptor, EPOLLOUT, token: id.rawValue) else { return "the system watches no more descriptors" }
        connections[id] = connection
        return nil
    }

    func finishConnecting(_ connection: PeerConnection, _ dial: Dial) {
        var (code, size) = (Int32(0), socklen_t(MemoryLayout<Int32>.size))
        getsockopt(connection.descriptor, SOL_SOCKET, SO_ERROR, &code, &size)
        if code != 0 { return giveUp(connection, dial, String(cString: strerror(code))) }
        if Self.isConnectedToItself(connection.descriptor) { return giveUp(connection, dial, "nobody listens there") }
        begin(connection)
    }

    /// This address does not answer; there may be others.
    func giveUp(_ connection: PeerConnection, _ dial: Dial, _ reason: String) {
        drop(connection)
        var dial = dial
        (dial.failure, dial.failureKind) = ("\(connection.peer): \(reason)", .unreachable)
        tryNext(dial)
    }

    /// The system can choose the port that is dialled for the own end, if nobody listens on it: the connection then leads
    /// to itself (RFC 9293 3.5, simultaneous open).
    package static func isConnectedToItself(_ descriptor: Int32) -> Bool {
        guard let own = SocketAddress.own(descriptor), let peer = SocketAddress.peer(descriptor) else { return false }
        return own.port == peer.port && own.host == peer.host
    }

    func fail(_ dial: Dial, _ reason: String, _ kind: TransportNotice.Kind = .unreachable) {
        counted.failedDials += 1
        note(.init(kind: kind, address: dial.address, reason: reason))
        pending.append(.connectFailed(address: dial.address))
    }

    // MARK: Accepting

    func acceptConnections() {
        guard let listener else { return }
        for _ in 0..<TransportLimits.acceptsPerTurn {
            var peer = sockaddr_storage()
            switch System.accept(listener.descriptor, &peer) {
            case .done(let descriptor): admit(Int32(descriptor), SocketAddress(peer)!)
            case .notNow: return
            case .failed(let code) where [EMFILE, ENFILE, ENOMEM, ENOBUFS].contains(code):
                return restFromAccepting(listener, String(cString: strerror(code)))
            case .failed: continue  // The client went away before it was let in.
            }
        }
    }

    /// The event would come again at once.
    private func restFromAccepting(_ listener: Listener, _ reason: String) {
        counted.acceptRests += 1
        acceptsAgainAt = now + settings.limits.acceptRest
        set.change(listener.descriptor, EPOLL_EVENTS(rawValue: 0), token: Self.listenerToken)
        note(.init(kind: .acceptRests, address: listener.address.description, reason: reason), ofStranger: true)
    }

    func acceptAgain() {
        acceptsAgainAt = .max
        set.change(listener!.descriptor, EPOLLIN, token: Self.listenerToken)
    }

    private func admit(_ descriptor: Int32, _ peer: SocketAddress) {
        let id = ConnectionID(rawValue: nextNumber())
        let connection = PeerConnection(id, descriptor, .handshaking, dialled: nil, peer)
        if settings.tls == nil, !settings.allowsPlaintext, !peer.host.isLoopback {
            return refuse(connection, .plaintextRefused, Self.plaintextReason(peer.host))
        }
        let strangers = connections.values.filter { $0.isStranger }
        if strangers.count >= TransportLimits.strangers { displace(strangers.min { $0.id < $1.id }!) }
        guard connections.count < TransportLimits.connections else {
            return refuse(
                connection, .tooManyConnections, "there are \(TransportLimits.connections) connections already")
        }
        guard set.add(descriptor, EPOLLIN, token: id.rawValue) else {
            return refuse(connection, .tooManyConnections, "the system watches no more descriptors")
        }
        System.setNoDelay(descriptor)
        connections[id] = connection
        begin(connection)
    }

    /// The descriptor goes with the connection.
    private func refuse(_ connection: PeerConnection, _ kind: TransportNotice.Kind, _ reason: String) {
        counted.refusedConnections += 1
        note(.init(kind: kind, address: connection.address, reason: reason), ofStranger: true)
    }

    /// Strangers who hold connections open must not keep peers out.
    private func displace(_ oldest: PeerConnection) {
        counted.displacedStrangers += 1
        let reason = "it was the oldest of \(TransportLimits.strangers) that have not proved who they are"
        end(oldest, .init(kind: .strangerDisplaced, address: oldest.address, reason: reason))
    }

    static func plaintextReason(_ host: IPAddress) -> String {
        "\(host) is no loopback address, and there are no certificates"
    }

    // MARK: Handshake

    /// TCP is there.
    private func begin(_ connection: PeerConnection) {
        guard let tls = settings.tls else { return open(connection, certified: nil) }
        connection.phase = .handshaking
        connection.deadline = now + settings.limits.handshakeTimeout
        connection.channel = TLSChannel(tls, isDialler: connection.dialled != nil)
        watch(connection, writing: false)
        shakeHands(connection)
    }

    /// Goes on with what has come. Whether it is done.
    @discardableResult
    func shakeHands(_ connection: PeerConnection) -> Bool {
        guard let channel = connection.channel else { preconditionFailure("plaintext has no handshake") }
        do throws(TLSFailure) {
            let isDone = try channel.shakeHands()
            channel.moveOutput(to: &connection.wire)
            if isDone {
                let names = channel.peerNames
                open(
                    connection,
                    certified: try NodeName.node(names, cluster: settings.cluster, regions: settings.regions))
            }
            write(connection)
            return isDone && isPresent(connection)
        } catch {
            // What may be waiting tells the peer why.
            channel.moveOutput(to: &connection.wire)
            write(connection)
            failHandshake(connection, error.reason)
            return false
        }
    }

    func failHandshake(_ connection: PeerConnection, _ reason: String) {
        guard isPresent(connection) else { return }
        counted.failedHandshakes += 1
        end(connection, .init(kind: .handshakeFailed, address: connection.address, reason: reason))
    }

    private func open(_ connection: PeerConnection, certified: NodeID?) {
        connection.phase = .open
        connection.deadline = .max
        watch(connection, writing: false)
        pending.append(
            .opened(connection.id, address: connection.dialled, nonce: settings.nonce(), certified: certified))
    }
}
