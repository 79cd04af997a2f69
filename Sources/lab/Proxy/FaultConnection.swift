import CLinux
import Glibc
import Server

/// One connection through a proxy: who came, and the target. A replay has nobody who came.
final class FaultConnection {
    /// Descriptors of the two ends, each the source of one direction; -1: there is none.
    let ends: [Int32]
    var streams: [FaultStream]
    /// The target has answered.
    var isConnected = false
    /// What each end is watched for; 0: it is not in the set.
    var interests: [UInt32] = [0, 0]
    /// The end has something to be read, or is over.
    var isReadable = [false, false]
    /// The end cannot take more at present.
    var isFull = [false, false]
    var hasShut = [false, false]
    /// What of the first direction is kept, to be replayed.
    var recording: Int?
    var replay: Int?

    init(client: Int32, target: Int32, seed: UInt64) {
        ends = [client, target]
        streams = [FaultStream(seed: seed), FaultStream(seed: seed &+ 1)]
    }

    /// `withReset`: the ends are told that the connection broke.
    func close(withReset: Bool) {
        for end in ends where end >= 0 {
            if withReset {
                var off = linger(l_onoff: 1, l_linger: 0)
                setsockopt(end, SOL_SOCKET, SO_LINGER, &off, socklen_t(MemoryLayout<linger>.size))
            }
            Glibc.close(end)
        }
    }
}
