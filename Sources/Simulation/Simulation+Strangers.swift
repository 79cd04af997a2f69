import Links
import Primitives
import Replication

/// Bytes that no member sent: strangers who connect, and frames whose bits flip on the way.
extension Simulation {
    /// They know no secret. They send what they overheard, also with bits flipped, and what they make up; or nothing.
    func strangersCome(_ node: SimulatedNode) {
        let count = chance(1, of: 8) ? Self.flood : .random(in: 1...6, using: &random)
        for _ in 0..<count {
            network.connectionCount += 1
            let id = ConnectionID(rawValue: network.connectionCount)
            network.ends[id] = Network.End(node: node.index, other: Network.nowhere)
            node.connections.append(id)
            let opening = Int64.random(in: 0...2000, using: &random)
            let nonce = UInt128(random.next())
            schedule(
                .event(
                    node: node.index, life: node.life, .opened(id, address: nil, nonce: nonce, certified: nil)),
                after: opening)
            var pause = opening
            for frame in strangersFrames() {
                pause += .random(in: 1...1500, using: &random)
                schedule(.arriveForeign(id, frame), after: pause)
            }
        }
    }

    /// More than a node lets wait for their proof.
    private static let flood = ReplicationLimits.unauthenticatedConnections + 6

    /// Now and then a member's opening, frame by frame as it was overheard.
    private func strangersFrames() -> [[UInt8]] {
        let opening = chance(1, of: 3) ? network.overheardOpening.compactMap(\.self) : []
        return opening + (0..<Int.random(in: 0...4, using: &random)).map { _ in strangersFrame() }
    }

    private func strangersFrame() -> [UInt8] {
        guard let frame = network.overheard.randomElement(using: &random), chance(3, of: 4) else {
            return madeUpFrame()
        }
        return chance(1, of: 2) ? flipped(frame) : frame
    }

    /// Sound but for its payload.
    private func madeUpFrame() -> [UInt8] {
        let type = FrameType.allCases.randomElement(using: &random)!
        let payload = (0..<Int.random(in: 0...300, using: &random)).map { _ in
            UInt8.random(in: 0...255, using: &random)
        }
        var frame: [UInt8] = [FrameHeader.version, type.rawValue, 0, 0]
        frame.append(bigEndian: UInt32(payload.count))
        frame.append(bigEndian: UInt32.random(in: 0...3, using: &random))
        var crc = CRC32C()
        crc.append(frame.span.bytes)
        crc.append(payload.span.bytes)
        frame.append(bigEndian: crc.value)
        return frame + payload
    }

    /// With up to three bits wrong, which the checksum always tells.
    func flipped(_ frame: [UInt8]) -> [UInt8] {
        var flips: Set<Int> = []
        for _ in 0..<Int.random(in: 1...3, using: &random) {
            flips.insert(Int.random(in: 0..<frame.count * 8, using: &random))
        }
        var frame = frame
        for bit in flips { frame[bit / 8] ^= 1 << UInt8(bit % 8) }
        return frame
    }

    /// All that may come of such a frame is an answer to a stranger and the end of the connection: the node does what it
    /// would do had nothing come, or, where the connection was a peer's, had it been reset.
    func arriveForeign(_ id: ConnectionID, _ bytes: [UInt8]) {
        guard let end = network.ends[id], nodes[end.node].isUp else { return }
        let (node, isStranger) = (nodes[end.node], end.other == Network.nowhere)
        var twin = node.replicator!
        let undisturbed = twin.handle(.closed(isStranger ? Network.nowhere : id), now: moment(node))
        tell(node, .received(id, bytes)) { effects in
            for case .send(id, let frame) in effects where isStranger {
                if ![FrameType.hello.rawValue, FrameType.reject.rawValue].contains(frame[1]) {
                    violated(.strangersChangeNothing, "\(node.id) answers with a frame of type \(frame[1])")
                }
            }
            if without(id, effects) != without(id, undisturbed) {
                violated(.strangersChangeNothing, "\(node.id) after \(bytes.prefix(64)) of \(bytes.count) bytes")
            }
        }
    }

    /// What has to do neither with this connection nor with time.
    private func without(_ id: ConnectionID, _ effects: [Effect]) -> [Effect] {
        effects.filter { effect in
            switch effect {
            case .send(id, _), .close(id, _), .setDeadline: false
            default: true
            }
        }
    }
}
