import COpenSSL
import Primitives
import Synchronization

/// What session tickets are sealed with (RFC 5077 4, RFC 8446 4.6.1). A key is for a slot of twelve hours, and derived from
/// a secret by the slot's number: nodes that share secret and region take each other's tickets and keep nothing of them,
/// and who learns a slot's key can open the tickets of no other slot.
///
/// Safety: any thread.
final class TicketKeys: Sendable {
    struct Key: Equatable {
        /// Stands in the ticket, in clear.
        let name: [UInt8]
        let cipher, mac: [UInt8]

        fileprivate static let sizes = (name: 16, cipher: 32, mac: 32)

        fileprivate init(_ bytes: [UInt8]) {
            name = Array(bytes[..<Self.sizes.name])
            cipher = Array(bytes[Self.sizes.name..<(Self.sizes.name + Self.sizes.cipher)])
            mac = Array(bytes[(Self.sizes.name + Self.sizes.cipher)...])
        }
    }

    private let secret: ClusterSecret
    private let region: String
    private let now: @Sendable () -> Instant
    private let known = Mutex<[Int64: Key]>([:])

    /// - Parameter secret: nil: one that nobody else has, until the process ends.
    init(_ secret: ClusterSecret?, region: String, now: @escaping @Sendable () -> Instant) {
        self.secret = secret ?? ClusterSecret((0..<32).map { _ in .random(in: 0 ... .max) })
        (self.region, self.now) = (region, now)
    }

    private var slot: Int64 { now().milliseconds / TLSLimits.ticketSlotMilliseconds }

    /// That of new tickets.
    var current: Key { key(slot) }

    /// The key of that name, if it is of this slot or of the one before or, for another node's clock, behind; and whether
    /// it is the current one.
    func find(_ name: UnsafeRawBufferPointer) -> (key: Key, isCurrent: Bool)? {
        let slot = slot
        for candidate in [slot, slot - 1, slot + 1] {
            let key = key(candidate)
            if name.elementsEqual(key.name) { return (key, candidate == slot) }
        }
        return nil
    }

    private func key(_ slot: Int64) -> Key {
        known.withLock { known in
            if let key = known[slot] { return key }
            var info = Array(region.utf8) + [0]
            info.append(bigEndian: slot)
            let sizes = Key.sizes
            let bytes = secret.derive(
                "edge tls ticket", info, byteCount: sizes.name + sizes.cipher + sizes.mac)
            // Those of a time that is over are forgotten.
            known = known.filter { abs($0.key - slot) <= 2 }
            known[slot] = Key(bytes)
            return Key(bytes)
        }
    }

    // MARK: As OpenSSL has it

    /// Has a context's tickets sealed with these keys. They must live at least as long as the context.
    func serve(_ context: OpaquePointer) {
        SSL_CTX_set_ex_data(context, 0, Unmanaged.passUnretained(self).toOpaque())
        edge_SSL_CTX_set_ticket_keys(context) { connection, name, vector, cipher, mac, isNew in
            let keys = Unmanaged<TicketKeys>.fromOpaque(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(connection), 0)!)
                .takeUnretainedValue()
            let name = UnsafeMutableRawBufferPointer(start: name, count: Key.sizes.name)
            if isNew == 1 {
                let key = keys.current
                name.copyBytes(from: key.name)
                guard RAND_bytes(vector, Int32(EVP_MAX_IV_LENGTH)) == 1,
                    EVP_EncryptInit_ex2(cipher, TicketKeys.cipher, key.cipher, vector, nil) == 1
                else { return -1 }
                return TicketKeys.set(mac, key) ? 1 : -1
            }
            guard let (key, isCurrent) = keys.find(UnsafeRawBufferPointer(name)) else { return 0 }
            guard EVP_DecryptInit_ex2(cipher, TicketKeys.cipher, key.cipher, vector, nil) == 1, TicketKeys.set(mac, key)
            else { return -1 }
            // In TLS 1.3 a ticket is for one use, so that nobody can tell by it that two connections are one client's.
            return isCurrent && SSL_version(connection) != TLS1_3_VERSION ? 1 : 2
        }
    }

    /// Looked up once: by its name it would be at each ticket.
    ///
    /// Safety: not changed after it was made.
    private nonisolated(unsafe) static let cipher = EVP_CIPHER_fetch(nil, "AES-256-CBC", nil)!

    private static func set(_ mac: OpaquePointer?, _ key: Key) -> Bool {
        edge_EVP_MAC_CTX_set_key(mac, key.mac, key.mac.count) == 1
    }
}
