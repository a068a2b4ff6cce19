#if canImport(Virtualization)
import Foundation
import PearVisorCore
import Virtualization

/// Adds a PearVisor GPU to a virtual machine of Apple's Virtualization framework.
///
///     let gpu = try VZConfigurator.addGPU(to: configuration)
///     let machine = VZVirtualMachine(configuration: configuration)
///
/// Keep `gpu` as long as the machine: the framework does not.
@available(macOS 27.0, *)
public enum VZConfigurator {
    /// Of the window, by default: address space of the guest, which costs nothing by itself.
    public static let defaultWindowBytes: UInt64 = 4 << 30

    /// Creates the integration and its device, and appends the device to the configuration's
    /// `customVirtioDevices`. Before the machine is made.
    ///
    /// Throws what `GPUIntegration` does, and `.unsupported` when the framework allows no shared
    /// memory region.
    public static func addGPU(
        to configuration: VZVirtualMachineConfiguration,
        settings: GPUIntegration.Configuration = GPUIntegration.Configuration(),
        windowBytes: UInt64 = defaultWindowBytes
    ) throws -> VZGraphicsDevice {
        guard VZCustomVirtioDeviceConfiguration.maximumAllowedSharedMemoryRegionCount > 0 else {
            throw PearVisorError.unsupported
        }
        let gpu = try VZGraphicsDevice(settings: settings, windowBytes: windowBytes)
        configuration.customVirtioDevices.append(deviceConfiguration(for: gpu))
        return gpu
    }

    /// The framework's words for what the device says of itself.
    static func deviceConfiguration(for gpu: VZGraphicsDevice)
        -> VZCustomVirtioDeviceConfiguration
    {
        let description = gpu.device.description
        let configuration = VZCustomVirtioDeviceConfiguration()
        configuration.deviceID = description.deviceID
        configuration.pciClassID = description.pciClassID
        configuration.pciSubclassID = description.pciSubclassID
        configuration.virtioQueueCount = description.queueCount
        // A driver takes of them what it knows. VIRTIO_F_VERSION_1 is the framework's to offer.
        configuration.optionalFeatures.subset0 = description.featuresLow
        configuration.optionalFeatures.subset1 = description.featuresHigh
        configuration.deviceSpecificConfiguration = VZVirtioDeviceSpecificConfiguration(
            configurationData: description.configuration)
        configuration.sharedMemoryRegions = [
            VZVirtioSharedMemoryRegionConfiguration(
                regionID: description.windowID, size: description.windowBytes)
        ]
        configuration.provider = VZCustomVirtioDeviceDelegateProvider(
            deviceQueue: gpu.queue, delegate: gpu)
        return configuration
    }
}
#endif
