"""Where sessions of signed-in staff look for their backend: renaming this path would sign everybody out."""

from newsletter.admin.sign_in import PatientBackend as PatientBackend
