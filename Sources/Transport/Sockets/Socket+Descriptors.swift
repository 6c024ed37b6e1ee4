#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

// A descriptor travels beside one byte, as a control message: the system's header (length, level SOL_SOCKET, type
// SCM_RIGHTS), padded to a multiple of its alignment, and then the descriptor's number, which the system replaces by
// one of the receiving process.

#if canImport(Darwin)
    private let headerBytes = (MemoryLayout<cmsghdr>.size + 3) / 4 * 4
#else
    private let headerBytes = (MemoryLayout<cmsghdr>.size + 7) / 8 * 8
#endif
private let rightsBytes = headerBytes + 4
private let controlBytes = (rightsBytes + 7) / 8 * 8

private let rights = Int32(SCM_RIGHTS)

extension Socket {
    /// Sends a copy of a descriptor over a socket of this machine. Returns false when that fails.
    func send(descriptor: Int32, by deadline: Deadline) -> Bool {
        while wait(for: Int32(POLLOUT), by: deadline) {
            let count = withMessage { message, control in
                control.storeBytes(of: header(), as: cmsghdr.self)
                control.storeBytes(of: descriptor, toByteOffset: headerBytes, as: Int32.self)
                return sendmsg(self.descriptor, message, sendFlags)
            }
            if count == 1 { return true }
            guard count < 0, errno == EAGAIN || errno == EINTR else { return false }
        }
        return false
    }

    /// Receives a descriptor, which the caller closes; nil when none comes.
    func receiveDescriptor(by deadline: Deadline) -> Int32? {
        while wait(for: Int32(POLLIN), by: deadline) {
            var received: Int32?
            let count = withMessage { message, control in
                let count = recvmsg(self.descriptor, message, 0)
                let header = control.load(as: cmsghdr.self)
                if count == 1, Int(message.pointee.msg_controllen) >= rightsBytes, header.cmsg_level == SOL_SOCKET,
                    header.cmsg_type == rights
                {
                    received = control.load(fromByteOffset: headerBytes, as: Int32.self)
                }
                return count
            }
            if let received {
                _ = fcntl(received, F_SETFD, FD_CLOEXEC)
                return received
            }
            guard count < 0, errno == EAGAIN || errno == EINTR else { return nil }
        }
        return nil
    }

    private func header() -> cmsghdr {
        var header = cmsghdr()
        header.cmsg_len = .init(rightsBytes)
        header.cmsg_level = SOL_SOCKET
        header.cmsg_type = rights
        return header
    }

    /// A message of one byte with room for a control message.
    private func withMessage(
        _ body: (UnsafeMutablePointer<msghdr>, UnsafeMutableRawPointer) -> Int
    ) -> Int {
        let control = UnsafeMutableRawPointer.allocate(byteCount: controlBytes, alignment: 16)
        defer { control.deallocate() }
        control.initializeMemory(as: UInt8.self, repeating: 0, count: controlBytes)
        var byte: UInt8 = 1
        return withUnsafeMutablePointer(to: &byte) { byte in
            var part = iovec(iov_base: UnsafeMutableRawPointer(byte), iov_len: 1)
            return withUnsafeMutablePointer(to: &part) { part in
                var message = msghdr()
                message.msg_iov = part
                message.msg_iovlen = 1
                message.msg_control = control
                message.msg_controllen = .init(controlBytes)
                return withUnsafeMutablePointer(to: &message) { body($0, control) }
            }
        }
    }
}
