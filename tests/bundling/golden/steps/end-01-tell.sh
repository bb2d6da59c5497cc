echo ended
